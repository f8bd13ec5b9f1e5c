{% from 'utopia-exporter/map.jinja' import utopia_exporter with context %}

write the utopia-exporter unit:
  file.managed:
    - name: /etc/systemd/system/utopia-exporter.service
    - source: salt://utopia-exporter/files/utopia-exporter.service

mark utopia-exporter for a restart when it runs with old files:
  restart.marked:
    - name: utopia-exporter
    - files:
      - /etc/systemd/system/utopia-exporter.service
      - /etc/utopia-exporter/config.json
{%- for file in pillar.monitoring.logins %}
      - /etc/utopia-exporter/{{ file }}-login
{%- endfor %}
      - /etc/utopia-exporter/node.crt
      - /opt/utopia/services/part-utopia-exporter
      - /opt/utopia/services/python/.stamp

start utopia-exporter:
  service.running:
    - name: utopia-exporter
    - enable: True
    - require:
      - user: make the utopia-exporter user
      - file: write the utopia-exporter unit
      - file: configure utopia-exporter
      - file: note what utopia-exporter is made of

wait until utopia-exporter is ready:
  readiness.wait:
    - name: utopia-exporter
    - timeout: {{ utopia_exporter.ready_timeout }}
    - require:
      - service: start utopia-exporter

tell whether utopia-exporter waits for a restart:
  restart.pending:
    - name: utopia-exporter
