{% from 'elasticsearch/map.jinja' import elasticsearch with context %}
{%- set artifact = pillar.artifacts.files[elasticsearch.artifact] %}
{%- set home = '/opt/elasticsearch/' ~ artifact.version %}

make the elasticsearch user:
  user.present:
    - name: elasticsearch
    - system: True
    - usergroup: True
    - home: {{ elasticsearch.data_dir }}
    - createhome: False
    - shell: /usr/sbin/nologin

install what elasticsearch is unpacked with:
  pkg.installed:
    - pkgs: {{ elasticsearch.packages | json }}
    - install_recommends: False

fetch elasticsearch:
  file.managed:
    - name: /var/cache/utopia/artifacts/{{ artifact.file }}
    - source: {{ pillar.artifacts.url | default('file:///var/cache/utopia/artifacts') }}/{{ artifact.file }}
    - source_hash: {{ artifact.sha256 }}
    - makedirs: True

# The program that unpacks keeps the permissions, unlike Python's zipfile.
unpack elasticsearch:
  archive.extracted:
    - name: {{ home }}
    - source: /var/cache/utopia/artifacts/{{ artifact.file }}
    - options: {{ '' if artifact.file.endswith('.zip') else '--strip-components=1' }}
    - use_cmd_unzip: True
    - enforce_toplevel: False
    - user: root
    - group: root
    - if_missing: {{ home }}
    - require:
      - file: fetch elasticsearch
      - pkg: install what elasticsearch is unpacked with
