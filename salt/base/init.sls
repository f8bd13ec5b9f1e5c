include:
  - base.install
  - base.config
{%- if not pillar.get('lab') %}
  - base.kernel
{%- endif %}
