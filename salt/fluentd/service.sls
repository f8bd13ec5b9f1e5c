{% from 'fluentd/map.jinja' import fluentd with context %}

write the fluentd unit:
  file.managed:
    - name: /etc/systemd/system/fluentd.service
    - source: salt://fluentd/files/fluentd.service
    - template: jinja
    - context: {{ {'fluentd': fluentd} | json }}

mark fluentd for a restart when it runs with old files:
  restart.marked:
    - name: fluentd
    - files:
      - /etc/systemd/system/fluentd.service
      - /etc/fluent/fluentd.conf
      - /var/lib/dpkg/info/fluent-package.list

start fluentd:
  service.running:
    - name: fluentd
    - enable: True
    - require:
      - pkg: install fluent-package
      - file: write the fluentd unit
      - file: configure fluentd
      - file: make the folder of fluentd

wait until fluentd is ready:
  readiness.wait:
    - name: logs
    - unit: fluentd
    - timeout: {{ fluentd.ready_timeout }}
    - require:
      - service: start fluentd

tell whether fluentd waits for a restart:
  restart.pending:
    - name: fluentd
