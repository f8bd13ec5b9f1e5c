{% from 'newrelic-infra/map.jinja' import newrelic_infra with context %}

# The licence key is in it.
configure newrelic-infra:
  file.managed:
    - name: /etc/newrelic-infra.yml
    - source: salt://newrelic-infra/files/newrelic-infra.yml.jinja
    - template: jinja
    - mode: '0600'
    - show_changes: False
    - context: {{ {'agent': newrelic_infra} | json }}
