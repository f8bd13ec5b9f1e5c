include:
  - utopia-exporter.config
  - utopia-exporter.service
