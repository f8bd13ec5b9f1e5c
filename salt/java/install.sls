{% from 'java/map.jinja' import java with context %}

install java:
  pkg.installed:
    - name: {{ java.package }}
    - install_recommends: False
