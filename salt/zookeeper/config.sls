{% from 'zookeeper/map.jinja' import zookeeper with context %}

make the folders of zookeeper:
  file.directory:
    - names: [{{ zookeeper.data_dir }}, {{ zookeeper.log_dir }}]
    - user: zookeeper
    - group: zookeeper
    - mode: '0750'

configure zookeeper:
  file.managed:
    - name: /etc/zookeeper/zoo.cfg
    - source: salt://zookeeper/files/zoo.cfg
    - template: jinja
    - makedirs: True
    - context: {{ {'zookeeper': zookeeper} | json }}

configure the log of zookeeper:
  file.managed:
    - name: /etc/zookeeper/simplelogger.properties
    - source: salt://zookeeper/files/simplelogger.properties

give zookeeper its options and its repair digest:
  file.managed:
    - name: /etc/zookeeper/jvm.options
    - source: salt://zookeeper/files/jvm.options
    - template: jinja
    - user: zookeeper
    - mode: '0600'
    - show_changes: False
    - context: {{ {'zookeeper': zookeeper} | json }}

pin the id of the zookeeper server:
  pinned.file:
    - name: {{ zookeeper.data_dir }}/myid
    - contents: {{ pillar.node.zookeeper_id }}
    - user: zookeeper
    - hint: an id belongs to the data beside it; give the node its old id, or retire it and empty both folders
    - require:
      - file: make the folders of zookeeper
