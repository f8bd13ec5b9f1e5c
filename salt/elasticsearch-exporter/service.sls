{% from 'elasticsearch-exporter/map.jinja' import elasticsearch_exporter with context %}

write the elasticsearch-exporter unit:
  file.managed:
    - name: /etc/systemd/system/elasticsearch-exporter.service
    - source: salt://elasticsearch-exporter/files/elasticsearch-exporter.service

mark elasticsearch-exporter for a restart when it runs with old files:
  restart.marked:
    - name: elasticsearch-exporter
    - files:
      - /etc/systemd/system/elasticsearch-exporter.service
      - /etc/elasticsearch-exporter/arguments

start elasticsearch-exporter:
  service.running:
    - name: elasticsearch-exporter
    - enable: True
    - require:
      - pkg: install elasticsearch-exporter
      - file: write the elasticsearch-exporter unit
      - file: tell elasticsearch-exporter whom to ask

wait until elasticsearch-exporter is ready:
  readiness.wait:
    - name: elasticsearch-exporter
    - timeout: {{ elasticsearch_exporter.ready_timeout }}
    - require:
      - service: start elasticsearch-exporter

tell whether elasticsearch-exporter waits for a restart:
  restart.pending:
    - name: elasticsearch-exporter
