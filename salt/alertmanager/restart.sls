{% from 'alertmanager/map.jinja' import alertmanager with context %}

restart alertmanager if it is marked:
  restart.performed:
    - name: alertmanager

wait until alertmanager is back:
  readiness.wait:
    - name: alertmanager
    - timeout: {{ alertmanager.ready_timeout }}
    - require:
      - restart: restart alertmanager if it is marked

take the mark off alertmanager:
  restart.done:
    - name: alertmanager
    - require:
      - readiness: wait until alertmanager is back
