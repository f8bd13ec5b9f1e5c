include:
  - rsyslog.install
  - rsyslog.config
  - rsyslog.service
