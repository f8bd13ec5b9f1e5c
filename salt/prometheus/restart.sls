{% from 'prometheus/map.jinja' import prometheus with context %}

restart prometheus if it is marked:
  restart.performed:
    - name: prometheus

wait until prometheus is back:
  readiness.wait:
    - name: prometheus
    - timeout: {{ prometheus.ready_timeout }}
    - require:
      - restart: restart prometheus if it is marked

take the mark off prometheus:
  restart.done:
    - name: prometheus
    - require:
      - readiness: wait until prometheus is back
