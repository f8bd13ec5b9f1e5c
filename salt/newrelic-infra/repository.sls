{% from 'newrelic-infra/map.jinja' import newrelic_infra with context %}
{%- set key = pillar.artifacts.files['newrelic-key'] %}

fetch the key of newrelic's repository:
  file.managed:
    - name: /var/cache/utopia/artifacts/{{ key.file }}
    - source: {{ pillar.artifacts.url }}/{{ key.file }}
    - source_hash: {{ key.sha256 }}
    - makedirs: True

# Nothing that another key has signed is ever installed.
trust the key of newrelic's repository:
  apt_key.pinned:
    - name: /usr/share/keyrings/newrelic-infra.gpg
    - source: /var/cache/utopia/artifacts/{{ key.file }}
    - fingerprint: '{{ newrelic_infra.key_fingerprint }}'
    - setting: newrelic-infra.key_fingerprint
    - require:
      - file: fetch the key of newrelic's repository

name newrelic's repository:
  file.managed:
    - name: /etc/apt/sources.list.d/newrelic-infra.sources
    - source: salt://newrelic-infra/files/newrelic-infra.sources
    - template: jinja
    - context: {{ {'agent': newrelic_infra} | json }}
    - require:
      - apt_key: trust the key of newrelic's repository

install newrelic-infra:
  pkg.installed:
    - name: newrelic-infra
{%- if newrelic_infra.version %}
    - version: {{ newrelic_infra.version | json }}
{%- endif %}
    - refresh: True
    - install_recommends: False
    - require:
      - file: name newrelic's repository
