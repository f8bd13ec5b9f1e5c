{% from 'bamboo/map.jinja' import bamboo with context %}

restart bamboo if it is marked:
  restart.performed:
    - name: bamboo

wait until bamboo is back:
  readiness.wait:
    - name: ingress
    - unit: bamboo
    - timeout: {{ bamboo.ready_timeout }}
    - require:
      - restart: restart bamboo if it is marked

take the mark off bamboo:
  restart.done:
    - name: bamboo
    - require:
      - readiness: wait until bamboo is back
