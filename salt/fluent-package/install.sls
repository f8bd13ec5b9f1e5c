{%- set package = pillar.artifacts.files['fluent-package'] %}
{%- set plugin = pillar.artifacts.files['fluent-plugin-concat'] %}
{%- set server = pillar.artifacts.url | default('file:///var/cache/utopia/artifacts') %}
{%- for what, file in {'the archive': package, 'the joining plugin': plugin}.items() %}

fetch {{ what }} of fluent-package:
  file.managed:
    - name: /var/cache/utopia/artifacts/{{ file.file }}
    - source: {{ server }}/{{ file.file }}
    - source_hash: {{ file.sha256 }}
    - makedirs: True
{%- endfor %}

install fluent-package:
  pkg.installed:
    - sources:
      - fluent-package: /var/cache/utopia/artifacts/{{ package.file }}
    - refresh: False
    - install_recommends: False
    - require:
      - file: fetch the archive of fluent-package

install the joining plugin of fluent-package:
  once.run:
    - name: /opt/fluent/bin/fluent-gem install --local --no-document /var/cache/utopia/artifacts/{{ plugin.file }}
    - mark: /var/lib/utopia/fluent-plugin-concat-{{ package.sha256[:8] }}-{{ plugin.sha256[:8] }}
    - require:
      - file: fetch the joining plugin of fluent-package
      - pkg: install fluent-package
