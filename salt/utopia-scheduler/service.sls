{% from 'utopia-scheduler/map.jinja' import utopia_scheduler with context %}

write the utopia-scheduler unit:
  file.managed:
    - name: /etc/systemd/system/utopia-scheduler.service
    - source: salt://utopia-scheduler/files/utopia-scheduler.service
    - template: jinja
    - context: {{ {'scheduler': utopia_scheduler} | json }}

mark utopia-scheduler for a restart when it runs with old files:
  restart.marked:
    - name: utopia-scheduler
    - files:
      - /etc/systemd/system/utopia-scheduler.service
      - /etc/utopia-scheduler/config.json
      - /etc/utopia-scheduler/mesos-secret
      - /etc/utopia-scheduler/zookeeper-login
      - /etc/utopia-scheduler/api-login
{%- if 'given-newrelic-license' in pillar.secrets %}
      - /etc/utopia-scheduler/newrelic-secret
{%- endif %}
      - /opt/utopia/services/part-utopia-scheduler
      - /opt/utopia/services/python/.stamp

# What is run on the platform, with its passwords, is there: below it the scheduler lets nobody else read.
keep others out of the state of the scheduler:
  znode.protected:
    - name: {{ pillar.marathon.zk_path }}
    - user: marathon
    - secret: zookeeper-marathon

start utopia-scheduler:
  service.running:
    - name: utopia-scheduler
    - enable: True
    - require:
      - file: write the utopia-scheduler unit
      - file: configure utopia-scheduler
      - file: note what utopia-scheduler is made of
      - znode: keep others out of the state of the scheduler

wait until utopia-scheduler is ready:
  readiness.wait:
    - name: marathon
    - unit: utopia-scheduler
    - timeout: {{ utopia_scheduler.ready_timeout }}
    - require:
      - service: start utopia-scheduler

tell whether utopia-scheduler waits for a restart:
  restart.pending:
    - name: utopia-scheduler
