include:
  - fluentd-aggregator.config
  - fluentd-aggregator.service
