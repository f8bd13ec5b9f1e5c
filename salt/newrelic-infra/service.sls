{% from 'newrelic-infra/map.jinja' import newrelic_infra with context %}

mark newrelic-infra for a restart when it runs with old files:
  restart.marked:
    - name: newrelic-infra
    - files:
      - /etc/newrelic-infra.yml
      - /var/lib/dpkg/info/newrelic-infra.list
{%- for name in ['docker', 'zookeeper', 'haproxy', 'elasticsearch'] %}
      - /etc/newrelic-infra/integrations.d/utopia-{{ name }}.yml
{%- endfor %}

start newrelic-infra:
  service.running:
    - name: newrelic-infra
    - enable: True
    - require:
      - pkg: install newrelic-infra
      - file: configure newrelic-infra

wait until newrelic-infra is ready:
  readiness.wait:
    - name: newrelic-infra
    - timeout: {{ newrelic_infra.ready_timeout }}
    - require:
      - service: start newrelic-infra

tell whether newrelic-infra waits for a restart:
  restart.pending:
    - name: newrelic-infra
