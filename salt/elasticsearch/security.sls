{% from 'elasticsearch/map.jinja' import elasticsearch with context %}

make the folder of elasticsearch's certificate:
  file.directory:
    - name: /etc/elasticsearch/tls
    - user: root
    - group: elasticsearch
    - mode: '0750'
    - require:
      - file: make the folder of elasticsearch's configuration
{%- for name, field in {'node.crt': 'certificate', 'node.key': 'key', 'ca.crt': 'ca'}.items() %}

give elasticsearch its {{ name }}:
  file.managed:
    - name: /etc/elasticsearch/tls/{{ name }}
    - contents_pillar: {{ field }}
    - user: elasticsearch
    - mode: '0600'
    - show_changes: False
{%- endfor %}

{%- for name in ['users', 'users_roles', 'roles.yml'] %}

give elasticsearch its {{ name }}:
  file.managed:
    - name: /etc/elasticsearch/{{ name }}
    - source: salt://elasticsearch/files/{{ name }}
    - template: jinja
    - user: elasticsearch
    - mode: '0600'
    - show_changes: False
    - context: {{ {'elasticsearch': elasticsearch} | json }}
{%- endfor %}
