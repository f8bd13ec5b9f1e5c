{% from 'bamboo/map.jinja' import bamboo with context %}

write the bamboo unit:
  file.managed:
    - name: /etc/systemd/system/bamboo.service
    - source: salt://bamboo/files/bamboo.service
    - template: jinja
    - context: {{ {'bamboo': bamboo} | json }}

mark bamboo for a restart when it runs with old files:
  restart.marked:
    - name: bamboo
    - files:
      - /etc/systemd/system/bamboo.service
      - /var/bamboo/production.json
      - /var/bamboo/haproxy.cfg.tmpl
      - /var/lib/utopia/bamboo-release
{%- for path in ['service', 'path', 'timer'] %}
      - /etc/systemd/system/bamboo-reload.{{ path }}
{%- endfor %}
      - /usr/local/sbin/bamboo-reload

start bamboo:
  service.running:
    - name: bamboo
    - enable: True
    - require:
      - service: start haproxy
      - service: watch what bamboo writes
      - file: write the bamboo unit
      - file: configure bamboo
      - file: write the template of bamboo
      - file: note the release of bamboo

wait until bamboo is ready:
  readiness.wait:
    - name: ingress
    - unit: bamboo
    - timeout: {{ bamboo.ready_timeout }}
    - require:
      - service: start bamboo

tell whether bamboo waits for a restart:
  restart.pending:
    - name: bamboo
