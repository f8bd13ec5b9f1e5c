{% from 'fluentd/map.jinja' import fluentd with context %}
{% from 'fluentd-aggregator/map.jinja' import aggregator with context %}
{% from 'elasticsearch/map.jinja' import elasticsearch with context %}
{%- set context = {'release': fluentd.release, 'own': aggregator, 'prefix': elasticsearch.index.prefix} %}

make the folder of fluentd-aggregator:
  file.directory:
    - name: {{ aggregator.state_dir }}
    - user: {{ fluentd.user }}
    - mode: '0700'
    - require:
      - pkg: install fluent-package

make the folder of fluentd-aggregator's certificate:
  file.directory:
    - name: /etc/fluent/tls
    - mode: '0755'
    - makedirs: True
{%- for name, field in {'node.crt': 'certificate', 'node.key': 'key'}.items() %}

give fluentd-aggregator its {{ name }}:
  file.managed:
    - name: /etc/fluent/tls/{{ name }}
    - contents_pillar: {{ field }}
    - user: {{ fluentd.user }}
    - mode: '0600'
    - show_changes: False
    - require:
      - file: make the folder of fluentd-aggregator's certificate
{%- endfor %}

# A configuration that fluentd does not understand is never installed.
configure fluentd-aggregator:
  file.managed:
    - name: /etc/fluent/aggregator.conf
    - source: salt://fluentd-aggregator/files/aggregator.conf
    - template: jinja
    - user: {{ fluentd.user }}
    - mode: '0600'
    - show_changes: False
    - check_cmd: /opt/fluent/bin/fluentd --dry-run -c
    - context: {{ context | json }}
    - require:
      - file: give fluentd-aggregator its node.crt
      - file: give fluentd-aggregator its node.key
