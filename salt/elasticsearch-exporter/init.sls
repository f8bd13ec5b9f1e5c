include:
  - elasticsearch-exporter.install
  - elasticsearch-exporter.config
  - elasticsearch-exporter.service
