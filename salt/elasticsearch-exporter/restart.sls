{% from 'elasticsearch-exporter/map.jinja' import elasticsearch_exporter with context %}

restart elasticsearch-exporter if it is marked:
  restart.performed:
    - name: elasticsearch-exporter

wait until elasticsearch-exporter is back:
  readiness.wait:
    - name: elasticsearch-exporter
    - timeout: {{ elasticsearch_exporter.ready_timeout }}
    - require:
      - restart: restart elasticsearch-exporter if it is marked

take the mark off elasticsearch-exporter:
  restart.done:
    - name: elasticsearch-exporter
    - require:
      - readiness: wait until elasticsearch-exporter is back
