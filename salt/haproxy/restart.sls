{% from 'haproxy/map.jinja' import haproxy with context %}

restart haproxy if it is marked:
  restart.performed:
    - name: haproxy

wait until haproxy is back:
  readiness.wait:
    - name: haproxy
    - timeout: {{ haproxy.ready_timeout }}
    - require:
      - restart: restart haproxy if it is marked

take the mark off haproxy:
  restart.done:
    - name: haproxy
    - require:
      - readiness: wait until haproxy is back
