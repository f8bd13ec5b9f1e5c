{% from 'marathon/map.jinja' import marathon with context %}

restart marathon if it is marked:
  restart.performed:
    - name: marathon

wait until marathon is back:
  readiness.wait:
    - name: marathon
    - timeout: {{ marathon.ready_timeout }}
    - require:
      - restart: restart marathon if it is marked

take the mark off marathon:
  restart.done:
    - name: marathon
    - require:
      - readiness: wait until marathon is back
