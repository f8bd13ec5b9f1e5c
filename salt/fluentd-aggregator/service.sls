{% from 'fluentd/map.jinja' import fluentd with context %}
{% from 'fluentd-aggregator/map.jinja' import aggregator with context %}

write the fluentd-aggregator unit:
  file.managed:
    - name: /etc/systemd/system/fluentd-aggregator.service
    - source: salt://fluentd-aggregator/files/fluentd-aggregator.service
    - template: jinja
    - context: {{ {'user': fluentd.user, 'aggregator': aggregator} | json }}

mark fluentd-aggregator for a restart when it runs with old files:
  restart.marked:
    - name: fluentd-aggregator
    - files:
      - /etc/systemd/system/fluentd-aggregator.service
      - /etc/fluent/aggregator.conf
      - /etc/fluent/tls/node.crt
      - /etc/fluent/tls/node.key
      - /var/lib/dpkg/info/fluent-package.list

start fluentd-aggregator:
  service.running:
    - name: fluentd-aggregator
    - enable: True
    - require:
      - pkg: install fluent-package
      - file: write the fluentd-aggregator unit
      - file: configure fluentd-aggregator
      - file: make the folder of fluentd-aggregator

wait until fluentd-aggregator is ready:
  readiness.wait:
    - name: log-aggregator
    - unit: fluentd-aggregator
    - timeout: {{ aggregator.ready_timeout }}
    - require:
      - service: start fluentd-aggregator

tell whether fluentd-aggregator waits for a restart:
  restart.pending:
    - name: fluentd-aggregator
