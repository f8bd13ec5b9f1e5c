{% from 'alertmanager/map.jinja' import alertmanager with context %}

make the folders of alertmanager:
  file.directory:
    - names: [/etc/alertmanager, /var/lib/alertmanager]
    - user: prometheus
    - mode: '0750'

{%- for name, field in {'node.crt': 'certificate', 'node.key': 'key'}.items() %}

give alertmanager its {{ name }}:
  file.managed:
    - name: /etc/alertmanager/{{ name }}
    - contents_pillar: {{ field }}
    - user: prometheus
    - mode: '0600'
    - show_changes: False
{%- endfor %}

ask for a login at alertmanager:
  file.managed:
    - name: /etc/alertmanager/web.yml
    - source: salt://alertmanager/files/web.yml.jinja
    - template: jinja
    - user: prometheus
    - mode: '0600'
    - show_changes: False

tell alertmanager whom to tell:
  file.managed:
    - name: /etc/alertmanager/alertmanager.yml
    - source: salt://alertmanager/files/alertmanager.yml.jinja
    - template: jinja
    - user: prometheus
    - mode: '0600'
    - show_changes: False
    - context: {{ {'alertmanager': alertmanager} | json }}
    - check_cmd: amtool check-config
