{% from 'elasticsearch/map.jinja' import elasticsearch with context %}
{%- set files = pillar.artifacts.files %}
{%- set artifact = files.get('elasticsearch-full') or files['elasticsearch-small'] %}

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
    - name: /opt/elasticsearch
    - source: /var/cache/utopia/artifacts/{{ artifact.file }}
    - use_cmd_unzip: True
    - enforce_toplevel: False
    - user: root
    - group: root
    - if_missing: /opt/elasticsearch/elasticsearch-{{ artifact.version }}
    - require:
      - file: fetch elasticsearch
      - pkg: install what elasticsearch is unpacked with
{%- set library = salt['pillar.get']('artifacts:files:open-files') %}
{%- if library %}

# Lab only; used where the setting lab_pretend_open_files says so.
install the library that hides the limit of open files:
  file.managed:
    - name: /usr/lib/utopia/open-files.so
    - source: {{ pillar.artifacts.url | default('file:///var/cache/utopia/artifacts') }}/{{ library.file }}
    - source_hash: {{ library.sha256 }}
    - makedirs: True
{%- endif %}
