{% from 'elasticsearch/map.jinja' import elasticsearch with context %}
{%- set version = pillar.artifacts.files[pillar.elasticsearch.artifact].version %}

write the elasticsearch unit:
  file.managed:
    - name: /etc/systemd/system/elasticsearch.service
    - source: salt://elasticsearch/files/elasticsearch.service
    - template: jinja
    - context: {{ {'elasticsearch': elasticsearch, 'version': version} | json }}

mark elasticsearch for a restart when it runs with old files:
  restart.marked:
    - name: elasticsearch
    - files:
      - /etc/systemd/system/elasticsearch.service
      - /etc/elasticsearch/elasticsearch.yml
      - /etc/elasticsearch/jvm.options
      - /etc/elasticsearch/log4j2.properties

# Never again once there is a cluster: a member that comes back alone would form a second one.
let elasticsearch form a cluster if there has never been one:
  elasticsearch.forming:
    - name: /var/lib/utopia/elasticsearch.forming

start elasticsearch:
  service.running:
    - name: elasticsearch
    - enable: True
    - require:
      - archive: unpack elasticsearch
      - file: write the elasticsearch unit
      - file: configure elasticsearch
      - file: give elasticsearch its users
      - elasticsearch: let elasticsearch form a cluster if there has never been one

wait until elasticsearch is ready:
  readiness.wait:
    - name: elasticsearch
    - timeout: {{ elasticsearch.ready_timeout }}
    - require:
      - service: start elasticsearch

remember that the elasticsearch cluster was formed:
  elasticsearch.formed:
    - name: /var/lib/utopia/elasticsearch.forming
    - require:
      - readiness: wait until elasticsearch is ready

wait until elasticsearch's copies are where they belong:
  elasticsearch.settled:
    - name: elasticsearch
    - seconds: {{ elasticsearch.ready_timeout }}
    - require:
      - elasticsearch: remember that the elasticsearch cluster was formed

tell whether elasticsearch waits for a restart:
  restart.pending:
    - name: elasticsearch
