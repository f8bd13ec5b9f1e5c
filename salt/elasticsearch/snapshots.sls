{% from 'elasticsearch/map.jinja' import elasticsearch with context %}
{%- set snapshots = elasticsearch.snapshots %}
{%- set location = {'location': elasticsearch.snapshot_dir} if snapshots.type == 'fs' else {} %}

tell elasticsearch where its snapshots go:
  elasticsearch.repository:
    - name: utopia
    - type: '{{ snapshots.type }}'
    - settings: {{ salt['slsutil.merge'](location, snapshots.settings) | json }}
    - require:
      - readiness: wait until elasticsearch is ready
