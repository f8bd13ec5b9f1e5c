{% from 'mesos-master/map.jinja' import mesos_master with context %}

restart mesos-master if it is marked:
  restart.performed:
    - name: mesos-master

wait until mesos-master is back:
  readiness.wait:
    - name: mesos-master
    - timeout: {{ mesos_master.ready_timeout }}
    - require:
      - restart: restart mesos-master if it is marked

take the mark off mesos-master:
  restart.done:
    - name: mesos-master
    - require:
      - readiness: wait until mesos-master is back
