{% from 'node-exporter/map.jinja' import node_exporter with context %}

write the node-exporter unit:
  file.managed:
    - name: /etc/systemd/system/node-exporter.service
    - source: salt://node-exporter/files/node-exporter.service
    - template: jinja
    - context: {{ {'exporter': node_exporter} | json }}

mark node-exporter for a restart when it runs with old files:
  restart.marked:
    - name: node-exporter
    - files:
      - /etc/systemd/system/node-exporter.service

start node-exporter:
  service.running:
    - name: node-exporter
    - enable: True
    - require:
      - pkg: install node-exporter
      - file: write the node-exporter unit

wait until node-exporter is ready:
  readiness.wait:
    - name: node-exporter
    - timeout: {{ node_exporter.ready_timeout }}
    - require:
      - service: start node-exporter

tell whether node-exporter waits for a restart:
  restart.pending:
    - name: node-exporter
