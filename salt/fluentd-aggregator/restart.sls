{% from 'fluentd-aggregator/map.jinja' import aggregator with context %}

restart fluentd-aggregator if it is marked:
  restart.performed:
    - name: fluentd-aggregator

wait until fluentd-aggregator is back:
  readiness.wait:
    - name: log-aggregator
    - unit: fluentd-aggregator
    - timeout: {{ aggregator.ready_timeout }}
    - require:
      - restart: restart fluentd-aggregator if it is marked

take the mark off fluentd-aggregator:
  restart.done:
    - name: fluentd-aggregator
    - require:
      - readiness: wait until fluentd-aggregator is back
