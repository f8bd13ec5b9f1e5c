{% from 'fluentd/map.jinja' import fluentd with context %}

restart fluentd if it is marked:
  restart.performed:
    - name: fluentd

wait until fluentd is back:
  readiness.wait:
    - name: logs
    - unit: fluentd
    - timeout: {{ fluentd.ready_timeout }}
    - require:
      - restart: restart fluentd if it is marked

take the mark off fluentd:
  restart.done:
    - name: fluentd
    - require:
      - readiness: wait until fluentd is back
