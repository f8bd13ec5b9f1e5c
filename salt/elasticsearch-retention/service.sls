{% from 'elasticsearch-retention/map.jinja' import retention with context %}
{%- for unit in ['elasticsearch-retention.service', 'elasticsearch-retention.timer'] %}

write {{ unit }}:
  file.managed:
    - name: /etc/systemd/system/{{ unit }}
    - source: salt://elasticsearch-retention/files/{{ unit }}
    - template: jinja
    - context: {{ {'retention': retention} | json }}
    - require_in:
      - units: let systemd know the units of elasticsearch-retention
      - service: delete old indices from time to time
{%- endfor %}

let systemd know the units of elasticsearch-retention:
  units.reread:
    - name: elasticsearch-retention
    - units: [elasticsearch-retention.service, elasticsearch-retention.timer]

delete old indices from time to time:
  service.running:
    - name: elasticsearch-retention.timer
    - enable: True
    - watch:
      - file: write elasticsearch-retention.timer
    - require:
      - file: install the program that deletes old indices
      - file: give elasticsearch's retention its password
      - file: tell elasticsearch's retention what to keep
