{% from 'rsyslog/map.jinja' import rsyslog with context %}

write the rsyslog unit:
  file.managed:
    - name: /etc/systemd/system/rsyslog.service
    - source: salt://rsyslog/files/rsyslog.service
    - template: jinja
    - context: {{ {'rsyslog': rsyslog} | json }}

mark rsyslog for a restart when it runs with old files:
  restart.marked:
    - name: rsyslog
    - files:
      - /etc/systemd/system/rsyslog.service
      - /etc/log-shipper/rsyslog.conf
      - /usr/lib/utopia/log-shipper-prepare
      - /var/lib/dpkg/info/rsyslog.list
      - /var/lib/dpkg/info/rsyslog-elasticsearch.list

start rsyslog:
  service.running:
    - name: rsyslog
    - enable: True
    - require:
      - pkg: install rsyslog
      - file: write the rsyslog unit
      - file: configure rsyslog
      - file: install the preparation of the log shipper
      - file: make the folder of the log shipper

wait until rsyslog is ready:
  readiness.wait:
    - name: logs
    - unit: rsyslog
    - timeout: {{ rsyslog.ready_timeout }}
    - require:
      - service: start rsyslog

tell whether rsyslog waits for a restart:
  restart.pending:
    - name: rsyslog
