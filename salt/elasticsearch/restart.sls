{% from 'elasticsearch/map.jinja' import elasticsearch with context %}

# Copies of what this member holds are not made anew while it is away for a minute.
hold elasticsearch's shards where they are:
  elasticsearch.allocation:
    - name: primaries
    - while_marked: elasticsearch

restart elasticsearch if it is marked:
  restart.performed:
    - name: elasticsearch
    - require:
      - elasticsearch: hold elasticsearch's shards where they are

wait until elasticsearch is back:
  readiness.wait:
    - name: elasticsearch
    - timeout: {{ elasticsearch.ready_timeout }}
    - require:
      - restart: restart elasticsearch if it is marked

let elasticsearch move shards again:
  elasticsearch.allocation:
    - name: all
    - while_marked: elasticsearch
    - wait_green: {{ elasticsearch.ready_timeout }}
    - require:
      - readiness: wait until elasticsearch is back

take the mark off elasticsearch:
  restart.done:
    - name: elasticsearch
    - require:
      - elasticsearch: let elasticsearch move shards again
