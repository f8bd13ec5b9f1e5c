{% from 'haproxy/map.jinja' import haproxy with context %}

make the folders of haproxy:
  file.directory:
    - names: [/etc/haproxy, /etc/haproxy/maps, {{ haproxy.certificates }}]
    - user: haproxy-admin
    - group: haproxy-admin
    - mode: '0755'

give haproxy its certificate:
  file.managed:
    - name: {{ haproxy.certificates }}/edge.pem
    - source: salt://haproxy/files/edge.pem
    - template: jinja
    - user: haproxy-admin
    - mode: '0600'
    - show_changes: False
    - require:
      - file: make the folders of haproxy

# Until the provider of the role writes its own: HAProxy starts without anybody's help.
give haproxy something to start with:
  file.managed:
    - name: /etc/haproxy/start.cfg
    - source: salt://haproxy/files/start.cfg
    - template: jinja
    - context: {{ {'haproxy': haproxy} | json }}
    - require:
      - file: make the folders of haproxy
