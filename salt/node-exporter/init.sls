include:
  - node-exporter.install
  - node-exporter.service
