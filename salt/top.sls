# What a node gets: the components of its roles, resolved by `bootstrap plan` and looked up here.
base:
  '*':
{%- for component in pillar.components %}
    - {{ component }}
{%- endfor %}
