include:
  - fluentd.config
  - fluentd.service
