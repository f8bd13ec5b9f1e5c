include:
  - rsyslog.install
  - rsyslog.config
  - rsyslog.relay
  - rsyslog.service
