{% from 'haproxy/map.jinja' import haproxy with context %}

write the haproxy unit:
  file.managed:
    - name: /etc/systemd/system/haproxy.service
    - source: salt://haproxy/files/haproxy.service
    - template: jinja
    - context: {{ {'haproxy': haproxy} | json }}

mark haproxy for a restart when it runs with old files:
  restart.marked:
    - name: haproxy
    - files:
      - /etc/systemd/system/haproxy.service
      - /etc/haproxy/start.cfg
      - /var/lib/dpkg/info/haproxy.list

start haproxy:
  service.running:
    - name: haproxy
    - enable: True
    - require:
      - pkg: install haproxy
      - file: write the haproxy unit
      - file: give haproxy its certificate
      - file: give haproxy something to start with

reload haproxy when its certificate is new:
  restart.reloaded:
    - name: haproxy
    - files:
      - {{ haproxy.certificates }}/edge.pem
    - require:
      - service: start haproxy

wait until haproxy is ready:
  readiness.wait:
    - name: haproxy
    - timeout: {{ haproxy.ready_timeout }}
    - require:
      - service: start haproxy

tell whether haproxy waits for a restart:
  restart.pending:
    - name: haproxy
