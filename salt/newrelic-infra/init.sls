include:
  - newrelic-infra.repository
  - newrelic-infra.config
  - newrelic-infra.integrations
  - newrelic-infra.service
