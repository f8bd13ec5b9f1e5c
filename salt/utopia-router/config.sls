{% from 'utopia-router/map.jinja' import utopia_router with context %}
{% from 'haproxy/map.jinja' import haproxy with context %}

make the folder of utopia-router:
  file.directory:
    - name: /etc/utopia-router
    - mode: '0755'
{%- for file in ['marathon-password', 'zookeeper-login', 'api-login', 'stats-login'] %}

give utopia-router its {{ file }}:
  file.managed:
    - name: /etc/utopia-router/{{ file }}
    - source: salt://utopia-router/files/{{ file }}
    - template: jinja
    - user: haproxy-admin
    - mode: '0600'
    - show_changes: False
    - require:
      - file: make the folder of utopia-router
{%- endfor %}

configure utopia-router:
  file.managed:
    - name: /etc/utopia-router/config.json
    - source: salt://utopia-router/files/config.json
    - template: jinja
    - context: {{ {'config': utopia_router.config, 'haproxy': haproxy} | json }}
