include:
  - elasticsearch-retention.config
  - elasticsearch-retention.service
