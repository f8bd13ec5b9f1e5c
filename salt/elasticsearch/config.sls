{% from 'elasticsearch/map.jinja' import elasticsearch with context %}

make the folders of elasticsearch:
  file.directory:
    - names:
      - {{ elasticsearch.data_dir }}
      - {{ elasticsearch.log_dir }}
      - {{ elasticsearch.snapshot_dir }}
    - user: elasticsearch
    - group: elasticsearch
    - mode: '0750'

make the folder of elasticsearch's configuration:
  file.directory:
    - name: /etc/elasticsearch
    - user: root
    - group: elasticsearch
    - mode: '2770'

configure elasticsearch:
  file.managed:
    - name: /etc/elasticsearch/elasticsearch.yml
    - source: salt://elasticsearch/files/elasticsearch.yml.jinja
    - template: jinja
    - context: {{ {'elasticsearch': elasticsearch} | json }}

give elasticsearch its java options:
  file.managed:
    - name: /etc/elasticsearch/jvm.options
    - source: salt://elasticsearch/files/jvm.options
    - template: jinja
    - context: {{ {'elasticsearch': elasticsearch, 'heap': elasticsearch.heap or salt['machine.java_heap'](2, 30720)} | json }}

configure the log of elasticsearch:
  file.managed:
    - name: /etc/elasticsearch/log4j2.properties
    - source: salt://elasticsearch/files/log4j2.properties
