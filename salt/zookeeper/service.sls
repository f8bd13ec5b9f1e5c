{% from 'zookeeper/map.jinja' import zookeeper with context %}

write the zookeeper unit:
  file.managed:
    - name: /etc/systemd/system/zookeeper.service
    - source: salt://zookeeper/files/zookeeper.service
    - template: jinja
    - context: {{ {'zookeeper': zookeeper} | json }}

mark zookeeper for a restart when it runs with old files:
  restart.marked:
    - name: zookeeper
    - files:
      - /etc/systemd/system/zookeeper.service
      - /etc/zookeeper/zoo.cfg
      - /etc/zookeeper/jvm.options
      - /etc/zookeeper/simplelogger.properties
      - /var/lib/dpkg/info/libzookeeper-java.list

start zookeeper:
  service.running:
    - name: zookeeper
    - enable: True
    - require:
      - file: write the zookeeper unit
      - pinned: pin the id of the zookeeper server

let a zookeeper that was alone join the others:
  restart.joined:
    - name: zookeeper
    - require:
      - service: start zookeeper

wait until zookeeper is ready:
  readiness.wait:
    - name: zookeeper
    - timeout: {{ zookeeper.ready_timeout }}
    - require:
      - restart: let a zookeeper that was alone join the others

tell whether zookeeper waits for a restart:
  restart.pending:
    - name: zookeeper
