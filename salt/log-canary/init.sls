{% from 'log-canary/map.jinja' import log_canary with context %}
{%- set shipper = 'fluentd' if 'fluentd' in pillar.components else 'rsyslog' %}
{#- rsyslog leaves its counters in a file; Fluentd tells them on loopback. #}
{%- set group = 'log-shipper' if shipper == 'rsyslog' else '' %}
{%- for kind in ['service', 'timer'] %}

write the {{ kind }} of the log canary:
  file.managed:
    - name: /etc/systemd/system/log-canary.{{ kind }}
    - source: salt://log-canary/files/log-canary.{{ kind }}
    - template: jinja
    - context: {{ {'seconds': log_canary.seconds, 'group': group} | json }}
{%- endfor %}

let systemd know the units of the log canary:
  units.reread:
    - name: log-canary
    - units: [log-canary.service, log-canary.timer]
    - require:
      - file: write the service of the log canary
      - file: write the timer of the log canary

let the log canary know what to say:
  file.managed:
    - name: /usr/lib/utopia/log-shipper-report
    - source: salt://{{ shipper }}/files/report
    - mode: '0755'
    - makedirs: True

let the log canary sing:
  service.running:
    - name: log-canary.timer
    - enable: True
    - require:
      - file: write the service of the log canary
      - file: let the log canary know what to say
    - watch:
      - file: write the timer of the log canary
