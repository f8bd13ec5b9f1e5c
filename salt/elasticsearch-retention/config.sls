{% from 'elasticsearch-retention/map.jinja' import retention with context %}
{% from 'elasticsearch/map.jinja' import elasticsearch with context %}

make the folder of elasticsearch's retention:
  file.directory:
    - name: /etc/elasticsearch-retention
    - user: root
    - group: elasticsearch
    - mode: '0750'

tell elasticsearch's retention what to keep:
  file.managed:
    - name: /etc/elasticsearch-retention/config.json
    - source: salt://elasticsearch-retention/files/config.json
    - template: jinja
    - context: {{ {'retention': retention, 'prefix': elasticsearch.index.prefix} | json }}

give elasticsearch's retention its password:
  file.managed:
    - name: /etc/elasticsearch-retention/retention-password
    - source: salt://elasticsearch-retention/files/retention-password
    - template: jinja
    - user: elasticsearch
    - mode: '0600'
    - show_changes: False

install the program that deletes old indices:
  file.managed:
    - name: /usr/local/sbin/elasticsearch-retention
    - source: salt://elasticsearch-retention/files/retention.py
    - mode: '0755'
