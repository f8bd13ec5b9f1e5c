{% from 'utopia-services/map.jinja' import utopia_services with context %}
{%- set wheels = pillar.artifacts.files['service-wheels'] %}
{%- set made = utopia_services.folder ~ '/python/.made-of-' ~ wheels.sha256[:16] %}

install what the services run on:
  pkg.installed:
    - pkgs: {{ utopia_services.packages | json }}
    - install_recommends: False

fetch the wheels of the services:
  file.managed:
    - name: /var/cache/utopia/artifacts/{{ wheels.file }}
    - source: {{ pillar.artifacts.url | default('file:///var/cache/utopia/artifacts') }}/{{ wheels.file }}
    - source_hash: {{ wheels.sha256 }}
    - makedirs: True

make the folder of the services:
  file.directory:
    - name: {{ utopia_services.folder }}/releases
    - makedirs: True
    - mode: '0755'

make the python of the services:
  once.run:
    - name: >-
        set -e; folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT;
        tar -xf /var/cache/utopia/artifacts/{{ wheels.file }} -C "$folder";
        sh "$folder/install.sh" "$folder" {{ utopia_services.folder }}/python aiohttp.web
    - mark: {{ made }}
    - require:
      - pkg: install what the services run on
      - file: fetch the wheels of the services
      - file: make the folder of the services
