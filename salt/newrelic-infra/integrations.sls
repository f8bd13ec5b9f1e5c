{% from 'haproxy/map.jinja' import haproxy with context %}
{%- set roles = pillar.node.roles %}
{%- set wanted = [] %}
{%- for role, name in {'docker': 'docker', 'zookeeper': 'zookeeper', 'ingress': 'haproxy', 'elasticsearch': 'elasticsearch'}.items() if role in roles %}
{%- do wanted.append(name) %}
{%- endfor %}
{#- Docker's comes with the agent, and ZooKeeper is asked by the agent's flex; the others are packages of their own. #}
{%- set packages = [] %}
{%- for name in wanted if name in ('haproxy', 'elasticsearch') %}{% do packages.append('nri-' ~ name) %}{% endfor %}
{%- if packages %}

install the integrations of newrelic-infra:
  pkg.installed:
    - pkgs: {{ packages | json }}
    - install_recommends: False
    - require:
      - pkg: install newrelic-infra
{%- endif %}
{%- for name in wanted %}

configure newrelic-infra for {{ name }}:
  file.managed:
    - name: /etc/newrelic-infra/integrations.d/utopia-{{ name }}.yml
    - source: salt://newrelic-infra/files/{{ name }}.yml.jinja
    - template: jinja
    - makedirs: True
    - mode: '0600'
    - show_changes: False
    - context: {{ {'stats_port': haproxy.stats_port} | json }}
{%- endfor %}
