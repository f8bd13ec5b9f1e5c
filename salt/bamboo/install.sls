{%- set archive = pillar.artifacts.files.bamboo %}
{%- set folder = '/opt/bamboo-' ~ archive.version ~ '-' ~ archive.sha256[:16] %}

fetch bamboo:
  file.managed:
    - name: /var/cache/utopia/artifacts/{{ archive.file }}
    - source: {{ pillar.artifacts.url | default('file:///var/cache/utopia/artifacts') }}/{{ archive.file }}
    - source_hash: {{ archive.sha256 }}
    - makedirs: True

unpack bamboo:
  once.run:
    - name: >-
        set -e; rm -rf {{ folder }}.new; mkdir {{ folder }}.new;
        tar -xzf /var/cache/utopia/artifacts/{{ archive.file }} -C {{ folder }}.new --no-same-owner bamboo;
        mv -T {{ folder }}.new {{ folder }}
    - mark: {{ folder }}/.whole
    - require:
      - file: fetch bamboo

make this bamboo the current one:
  file.symlink:
    - name: /opt/bamboo
    - target: {{ folder }}
    - require:
      - once: unpack bamboo

note the release of bamboo:
  file.managed:
    - name: /var/lib/utopia/bamboo-release
    - contents: {{ archive.sha256 }}
    - require:
      - file: make this bamboo the current one
