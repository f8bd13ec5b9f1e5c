{% from 'utopia-scheduler/map.jinja' import utopia_scheduler with context %}

restart utopia-scheduler if it is marked:
  restart.performed:
    - name: utopia-scheduler

wait until utopia-scheduler is back:
  readiness.wait:
    - name: marathon
    - unit: utopia-scheduler
    - timeout: {{ utopia_scheduler.ready_timeout }}
    - require:
      - restart: restart utopia-scheduler if it is marked

take the mark off utopia-scheduler:
  restart.done:
    - name: utopia-scheduler
    - require:
      - readiness: wait until utopia-scheduler is back
