{% from 'utopia-router/map.jinja' import utopia_router with context %}

restart utopia-router if it is marked:
  restart.performed:
    - name: utopia-router

wait until utopia-router is back:
  readiness.wait:
    - name: ingress
    - unit: utopia-router
    - timeout: {{ utopia_router.ready_timeout }}
    - require:
      - restart: restart utopia-router if it is marked

take the mark off utopia-router:
  restart.done:
    - name: utopia-router
    - require:
      - readiness: wait until utopia-router is back
