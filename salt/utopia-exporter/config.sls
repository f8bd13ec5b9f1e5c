{% from 'utopia-exporter/map.jinja' import utopia_exporter with context %}
{% from 'haproxy/map.jinja' import haproxy with context %}
{% from 'elasticsearch/map.jinja' import elasticsearch with context %}

# The engine's package makes this group as well; whichever comes first.
make the group of those who may speak to the container engine:
  group.present:
    - name: docker
    - system: True

make the utopia-exporter user:
  user.present:
    - name: utopia-exporter
    - system: True
    - usergroup: True
    - home: /nonexistent
    - createhome: False
    - shell: /usr/sbin/nologin

make the folder of utopia-exporter:
  file.directory:
    - name: /etc/utopia-exporter
    - mode: '0755'

{%- for name, field in {'node.crt': 'certificate', 'node.key': 'key'}.items() %}

give utopia-exporter its {{ name }}:
  file.managed:
    - name: /etc/utopia-exporter/{{ name }}
    - contents_pillar: {{ field }}
    - user: utopia-exporter
    - mode: '0600'
    - show_changes: False
{%- endfor %}

{%- for file, login in pillar.monitoring.logins.items() %}

give utopia-exporter the login {{ file }}:
  file.managed:
    - name: /etc/utopia-exporter/{{ file }}-login
    - source: salt://utopia-exporter/files/login
    - template: jinja
    - context: {{ login | json }}
    - user: utopia-exporter
    - mode: '0600'
    - show_changes: False
{%- endfor %}

configure utopia-exporter:
  file.managed:
    - name: /etc/utopia-exporter/config.json
    - source: salt://utopia-exporter/files/config.json
    - template: jinja
    - context: {{ {'exporter': utopia_exporter, 'stats_port': haproxy.stats_port, 'index_prefix': elasticsearch.index.prefix, 'snapshots': elasticsearch.snapshots.type} | json }}
