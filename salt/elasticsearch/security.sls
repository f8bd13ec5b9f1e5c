{% from 'elasticsearch/map.jinja' import elasticsearch with context %}

make the folder of elasticsearch's certificate:
  file.directory:
    - name: /etc/elasticsearch/tls
    - user: root
    - group: elasticsearch
    - mode: '0750'
    - require:
      - file: make the folder of elasticsearch's configuration
{%- for name, field in {'node.crt': 'certificate', 'node.key': 'key'}.items() %}

give elasticsearch its {{ name }}:
  file.managed:
    - name: /etc/elasticsearch/tls/{{ name }}
    - contents_pillar: {{ field }}
    - user: elasticsearch
    - mode: '0600'
    - show_changes: False
{%- endfor %}

# Its own copy: the server reads nothing outside the folder of its configuration.
give elasticsearch the certificate authority:
  file.managed:
    - name: /etc/elasticsearch/tls/ca.crt
    - source: /etc/utopia/ca.crt

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
