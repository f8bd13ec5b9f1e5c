{% from 'mesos-master/map.jinja' import mesos_master with context %}

write the mesos-master unit:
  file.managed:
    - name: /etc/systemd/system/mesos-master.service
    - source: salt://mesos-master/files/mesos-master.service
    - template: jinja
    - context: {{ {'flags': mesos_master.flags} | json }}

mark mesos-master for a restart when it runs with old files:
  restart.marked:
    - name: mesos-master
    - files:
      - /etc/systemd/system/mesos-master.service
      - /etc/mesos/master.env
      - /etc/mesos/master-credentials.json
      - /etc/mesos/zk
      - /var/lib/dpkg/info/utopia-mesos.list

start mesos-master:
  service.running:
    - name: mesos-master
    - enable: True
    - require:
      - pkg: install mesos
      - file: write the mesos-master unit
      - file: configure the mesos master

wait until mesos-master is ready:
  readiness.wait:
    - name: mesos-master
    - timeout: {{ mesos_master.ready_timeout }}
    - require:
      - service: start mesos-master

tell whether mesos-master waits for a restart:
  restart.pending:
    - name: mesos-master
