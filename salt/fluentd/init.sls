include:
  - fluentd.install
  - fluentd.config
  - fluentd.service
