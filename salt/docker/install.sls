{% from 'docker/map.jinja' import docker with context %}

install docker:
  pkg.installed:
    - pkgs: {{ docker.packages | json }}
    - install_recommends: False

{%- set image = salt['pillar.get']('artifacts:files:task-image') %}
{%- if image %}

fetch the task image:
  file.managed:
    - name: /var/cache/utopia/artifacts/{{ image.file }}
    - source: {{ pillar.artifacts.url | default('file:///var/cache/utopia/artifacts') }}/{{ image.file }}
    - source_hash: {{ image.sha256 }}
    - makedirs: True
{%- endif %}
