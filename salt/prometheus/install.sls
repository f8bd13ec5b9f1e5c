{% from 'prometheus/map.jinja' import prometheus with context %}

install prometheus:
  pkg.installed:
    - pkgs: {{ prometheus.packages | json }}
    - install_recommends: False
