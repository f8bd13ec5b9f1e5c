{% from 'rsyslog/map.jinja' import rsyslog with context %}
{%- if rsyslog.when_full == 'drop-oldest' %}

install the log relay:
  file.managed:
    - name: /usr/lib/utopia/log-relay
    - source: salt://rsyslog/files/relay.py
    - mode: '0755'
    - makedirs: True

configure the log relay:
  file.managed:
    - name: /etc/log-shipper/relay.json
    - source: salt://rsyslog/files/relay.json
    - template: jinja
    - user: log-shipper
    - mode: '0600'
    - show_changes: False
    - context: {{ {'rsyslog': rsyslog} | json }}

write the log relay unit:
  file.managed:
    - name: /etc/systemd/system/log-relay.service
    - source: salt://rsyslog/files/log-relay.service
    - template: jinja
    - context: {{ {'rsyslog': rsyslog} | json }}

# Lines in its hands are the shipper's still: it may be restarted at any time.
run the log relay:
  service.running:
    - name: log-relay
    - enable: True
    - watch:
      - file: install the log relay
      - file: configure the log relay
      - file: write the log relay unit
{%- else %}

remove the log relay:
  file.absent:
    - names:
      - /etc/systemd/system/multi-user.target.wants/log-relay.service
      - /etc/systemd/system/log-relay.service
      - /usr/lib/utopia/log-relay
      - /etc/log-shipper/relay.json

stop the log relay:
  cmd.run:
    - name: systemctl stop log-relay; systemctl daemon-reload
    - onchanges:
      - file: remove the log relay
{%- endif %}
