{% from 'elasticsearch/map.jinja' import elasticsearch with context %}
{%- set anyway = 'elasticsearch' in salt['pillar.get']('restart_anyway', []) %}

# Copies of what this member holds are not made anew while it is away for a minute.
hold elasticsearch's shards where they are:
  elasticsearch.held:
    - name: elasticsearch
    - seconds: {{ elasticsearch.ready_timeout }}
    - anyway: {{ anyway }}

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
  elasticsearch.released:
    - name: elasticsearch
    - seconds: {{ elasticsearch.ready_timeout }}
    - anyway: {{ anyway }}
    - require:
      - readiness: wait until elasticsearch is back

take the mark off elasticsearch:
  restart.done:
    - name: elasticsearch
    - require:
      - elasticsearch: let elasticsearch move shards again
