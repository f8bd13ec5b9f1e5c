include:
  - prometheus.install
  - prometheus.config
  - prometheus.service
