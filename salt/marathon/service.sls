{% from 'marathon/map.jinja' import marathon with context %}

check that libmesos is there for marathon:
  file.exists:
    - name: {{ marathon.native_library }}

write the marathon unit:
  file.managed:
    - name: /etc/systemd/system/marathon.service
    - source: salt://marathon/files/marathon.service
    - template: jinja
    - context: {{ {'marathon': marathon} | json }}

mark marathon for a restart when it runs with old files:
  restart.marked:
    - name: marathon
    - files:
      - /etc/systemd/system/marathon.service
      - /etc/marathon/java.args
      - /etc/marathon/mesos-secret
      - /var/lib/utopia/marathon-release

keep others out of the state of marathon:
  znode.protected:
    - name: {{ pillar.marathon.zk_path }}
    - user: marathon
    - secret: zookeeper-marathon

start marathon:
  service.running:
    - name: marathon
    - enable: True
    - require:
      - file: check that libmesos is there for marathon
      - file: write the marathon unit
      - file: configure marathon
      - file: note the release of marathon
      - znode: keep others out of the state of marathon

wait until marathon is ready:
  readiness.wait:
    - name: marathon
    - timeout: {{ marathon.ready_timeout }}
    - require:
      - service: start marathon

tell whether marathon waits for a restart:
  restart.pending:
    - name: marathon
