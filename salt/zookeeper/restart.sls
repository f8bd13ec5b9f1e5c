{% from 'zookeeper/map.jinja' import zookeeper with context %}

restart zookeeper if it is marked:
  restart.performed:
    - name: zookeeper

wait until zookeeper is back:
  readiness.wait:
    - name: zookeeper
    - timeout: {{ zookeeper.ready_timeout }}
    - require:
      - restart: restart zookeeper if it is marked

take the mark off zookeeper:
  restart.done:
    - name: zookeeper
    - require:
      - readiness: wait until zookeeper is back
