include:
  - base.apt
  - base.install
  - base.config
{%- if pillar.get('lab') %}
  - base.lab
{%- else %}
  - base.kernel
{%- endif %}
