{% from 'node-exporter/map.jinja' import node_exporter with context %}

restart node-exporter if it is marked:
  restart.performed:
    - name: node-exporter

wait until node-exporter is back:
  readiness.wait:
    - name: node-exporter
    - timeout: {{ node_exporter.ready_timeout }}
    - require:
      - restart: restart node-exporter if it is marked

take the mark off node-exporter:
  restart.done:
    - name: node-exporter
    - require:
      - readiness: wait until node-exporter is back
