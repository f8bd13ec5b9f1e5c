{% from 'mesos/map.jinja' import mesos with context %}
{%- set artifact = pillar.artifacts.files.mesos %}

make the mesos user:
  user.present:
    - name: mesos
    - system: True
    - usergroup: True
    - home: /var/lib/mesos
    - createhome: False
    - shell: /usr/sbin/nologin

fetch the mesos package:
  file.managed:
    - name: /var/cache/utopia/artifacts/{{ artifact.file }}
    - source: {{ pillar.artifacts.url | default('file:///var/cache/utopia/artifacts') }}/{{ artifact.file }}
    - source_hash: {{ artifact.sha256 }}
    - makedirs: True

install mesos:
  pkg.installed:
    - sources:
      - {{ mesos.package }}: /var/cache/utopia/artifacts/{{ artifact.file }}
    - refresh: False
    - install_recommends: False
    - require:
      - file: fetch the mesos package

# A package built anew has the version of the one it replaces, so the version alone does not tell.
install the mesos package that was fetched:
  once.run:
    - name: dpkg --install /var/cache/utopia/artifacts/{{ artifact.file }}
    - mark: /var/lib/utopia/mesos-{{ artifact.sha256[:16] }}
    - require:
      - pkg: install mesos
