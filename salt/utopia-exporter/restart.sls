{% from 'utopia-exporter/map.jinja' import utopia_exporter with context %}

restart utopia-exporter if it is marked:
  restart.performed:
    - name: utopia-exporter

wait until utopia-exporter is back:
  readiness.wait:
    - name: utopia-exporter
    - timeout: {{ utopia_exporter.ready_timeout }}
    - require:
      - restart: restart utopia-exporter if it is marked

take the mark off utopia-exporter:
  restart.done:
    - name: utopia-exporter
    - require:
      - readiness: wait until utopia-exporter is back
