{% from 'bamboo/map.jinja' import bamboo with context %}
{% from 'haproxy/map.jinja' import haproxy with context %}

make the folders of bamboo:
  file.directory:
    - names: [/var/bamboo, /var/lib/bamboo]
    - user: haproxy-admin
    - mode: '0750'

configure bamboo:
  file.managed:
    - name: /var/bamboo/production.json
    - source: salt://bamboo/files/production.json
    - template: jinja
    - user: haproxy-admin
    - mode: '0600'
    - show_changes: False
    - context: {{ {'bamboo': bamboo} | json }}
    - require:
      - file: make the folders of bamboo

write the template of bamboo:
  file.managed:
    - name: /var/bamboo/haproxy.cfg.tmpl
    - source: salt://bamboo/files/haproxy.cfg.tmpl
    - template: jinja
    - user: haproxy-admin
    - mode: '0600'
    - show_changes: False
    - context: {{ {'haproxy': haproxy} | json }}
    - require:
      - file: make the folders of bamboo
