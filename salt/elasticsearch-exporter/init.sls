{%- if 'elasticsearch' in pillar.monitoring.relays %}
include:
  - elasticsearch-exporter.install
  - elasticsearch-exporter.config
  - elasticsearch-exporter.service
{%- endif %}
