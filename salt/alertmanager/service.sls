{% from 'alertmanager/map.jinja' import alertmanager with context %}

write the alertmanager unit:
  file.managed:
    - name: /etc/systemd/system/alertmanager.service
    - source: salt://alertmanager/files/alertmanager.service
    - template: jinja
    - context: {{ {'alertmanager': alertmanager} | json }}

mark alertmanager for a restart when it runs with old files:
  restart.marked:
    - name: alertmanager
    - files:
      - /etc/systemd/system/alertmanager.service

start alertmanager:
  service.running:
    - name: alertmanager
    - enable: True
    - require:
      - pkg: install alertmanager
      - file: write the alertmanager unit
      - file: tell alertmanager whom to tell
      - file: ask for a login at alertmanager

# Certificate and login are read anew for every connection.
reload alertmanager when its configuration is new:
  restart.reloaded:
    - name: alertmanager
    - files:
      - /etc/alertmanager/alertmanager.yml
    - require:
      - service: start alertmanager

wait until alertmanager is ready:
  readiness.wait:
    - name: alertmanager
    - timeout: {{ alertmanager.ready_timeout }}
    - require:
      - service: start alertmanager

tell whether alertmanager waits for a restart:
  restart.pending:
    - name: alertmanager
