{% from 'artifact-server/map.jinja' import artifact_server with context %}

install the artifact server:
  pkg.installed:
    - pkgs: {{ artifact_server.packages | json }}
    - install_recommends: False
