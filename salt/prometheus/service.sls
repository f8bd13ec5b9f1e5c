{% from 'prometheus/map.jinja' import prometheus with context %}

write the prometheus unit:
  file.managed:
    - name: /etc/systemd/system/prometheus.service
    - source: salt://prometheus/files/prometheus.service
    - template: jinja
    - context: {{ {'prometheus': prometheus} | json }}

mark prometheus for a restart when it runs with old files:
  restart.marked:
    - name: prometheus
    - files:
      - /etc/systemd/system/prometheus.service

start prometheus:
  service.running:
    - name: prometheus
    - enable: True
    - require:
      - pkg: install prometheus
      - file: write the prometheus unit
      - file: tell prometheus whom to ask
      - file: tell prometheus what an alert is
      - file: ask for a login at prometheus

# Certificate, login and passwords are read anew for every connection.
reload prometheus when its targets or rules are new:
  restart.reloaded:
    - name: prometheus
    - files:
      - /etc/prometheus/prometheus.yml
      - /etc/prometheus/rules.yml
    - require:
      - service: start prometheus

wait until prometheus is ready:
  readiness.wait:
    - name: prometheus
    - timeout: {{ prometheus.ready_timeout }}
    - require:
      - service: start prometheus

tell whether prometheus waits for a restart:
  restart.pending:
    - name: prometheus
