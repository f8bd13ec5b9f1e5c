{% from 'newrelic-infra/map.jinja' import newrelic_infra with context %}

restart newrelic-infra if it is marked:
  restart.performed:
    - name: newrelic-infra

wait until newrelic-infra is back:
  readiness.wait:
    - name: newrelic-infra
    - timeout: {{ newrelic_infra.ready_timeout }}
    - require:
      - restart: restart newrelic-infra if it is marked

take the mark off newrelic-infra:
  restart.done:
    - name: newrelic-infra
    - require:
      - readiness: wait until newrelic-infra is back
