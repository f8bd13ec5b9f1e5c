{% from 'elasticsearch/map.jinja' import elasticsearch with context %}

describe the log indices to elasticsearch:
  elasticsearch.template:
    - name: {{ elasticsearch.index.prefix }}
    - source: salt://elasticsearch/files/template.json
    - context: {{ {'index': elasticsearch.index} | json }}
    - require:
      - readiness: wait until elasticsearch is ready
