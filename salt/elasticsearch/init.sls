include:
  - elasticsearch.install
  - elasticsearch.config
  - elasticsearch.security
  - elasticsearch.service
  - elasticsearch.index
  - elasticsearch.snapshots
