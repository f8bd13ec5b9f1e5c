{% from 'utopia-services/map.jinja' import utopia_services with context %}
{%- set services = pillar.artifacts.files.services %}
{%- set release = utopia_services.folder ~ '/releases/' ~ services.sha256[:16] %}

fetch the services:
  file.managed:
    - name: /var/cache/utopia/artifacts/{{ services.file }}
    - source: {{ pillar.artifacts.url }}/{{ services.file }}
    - source_hash: {{ services.sha256 }}
    - makedirs: True

unpack the services:
  once.run:
    - name: >-
        set -e; rm -rf {{ release }}.new; mkdir {{ release }}.new;
        tar -xf /var/cache/utopia/artifacts/{{ services.file }} -C {{ release }}.new;
        {{ utopia_services.folder }}/python/bin/python -m compileall -q {{ release }}.new/services;
        mv -T {{ release }}.new {{ release }}
    - mark: {{ release }}/.whole
    - require:
      - file: fetch the services
      - once: make the python of the services

make the release of the services the current one:
  file.symlink:
    - name: {{ utopia_services.folder }}/current
    - target: {{ release }}
    - require:
      - once: unpack the services

# The time of a part's note tells whether the service of that name runs with older code; one that did not change stays.
{%- for part in ['utopia-scheduler', 'utopia-router', 'utopia-exporter'] %}

note what {{ part }} is made of:
  file.managed:
    - name: {{ utopia_services.folder }}/part-{{ part }}
    - source: {{ utopia_services.folder }}/current/parts/{{ part }}
    - require:
      - file: make the release of the services the current one
{%- endfor %}

# A service works in the folder of the release that it was started from: that one stays.
remove old releases of the services:
  cmd.run:
    - name: >-
        ls -1dt {{ utopia_services.folder }}/releases/* | tail -n +{{ utopia_services.kept + 1 }} | while read -r old; do
        readlink /proc/[0-9]*/cwd | grep -qxF "$old" || rm -rf "$old"; done
    - onchanges:
      - file: make the release of the services the current one
