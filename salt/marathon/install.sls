{% from 'marathon/map.jinja' import marathon with context %}
{%- set archive = pillar.artifacts.files.marathon %}
{%- set folder = '/opt/marathon-' ~ archive.version ~ '-' ~ archive.sha256[:16] %}

make the marathon user:
  user.present:
    - name: marathon
    - system: True
    - usergroup: True
    - home: /nonexistent
    - createhome: False
    - shell: /usr/sbin/nologin

fetch marathon:
  file.managed:
    - name: /var/cache/utopia/artifacts/{{ archive.file }}
    - source: {{ pillar.artifacts.url | default('file:///var/cache/utopia/artifacts') }}/{{ archive.file }}
    - source_hash: {{ archive.sha256 }}
    - makedirs: True

unpack marathon:
  once.run:
    - name: >-
        set -e; rm -rf {{ folder }}.new; mkdir {{ folder }}.new;
        tar -xzf /var/cache/utopia/artifacts/{{ archive.file }} -C {{ folder }}.new --strip-components=1 --no-same-owner;
        mv -T {{ folder }}.new {{ folder }}
    - mark: {{ folder }}/.whole
    - require:
      - file: fetch marathon

make this marathon the current one:
  file.symlink:
    - name: /opt/marathon
    - target: {{ folder }}
    - require:
      - once: unpack marathon

note the release of marathon:
  file.managed:
    - name: /var/lib/utopia/marathon-release
    - contents: {{ archive.sha256 }}
    - require:
      - file: make this marathon the current one
