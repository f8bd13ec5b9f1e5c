{% from 'prometheus/map.jinja' import prometheus with context %}

make the folder of prometheus:
  file.directory:
    - name: /etc/prometheus
    - mode: '0755'

{%- for name, field in {'node.crt': 'certificate', 'node.key': 'key'}.items() %}

give prometheus its {{ name }}:
  file.managed:
    - name: /etc/prometheus/{{ name }}
    - contents_pillar: {{ field }}
    - user: prometheus
    - mode: '0600'
    - show_changes: False
{%- endfor %}

{%- for name, secret in {'scrape': 'monitoring-scrape', 'operator': 'prometheus-operator'}.items() %}

give prometheus the password {{ name }}:
  file.managed:
    - name: /etc/prometheus/{{ name }}-password
    - contents_pillar: secrets:{{ secret }}
    - contents_newline: False
    - user: prometheus
    - mode: '0600'
    - show_changes: False
{%- endfor %}

ask for a login at prometheus:
  file.managed:
    - name: /etc/prometheus/web.yml
    - source: salt://prometheus/files/web.yml.jinja
    - template: jinja
    - user: prometheus
    - mode: '0600'
    - show_changes: False

tell prometheus what an alert is:
  file.managed:
    - name: /etc/prometheus/rules.yml
    - source: salt://prometheus/files/rules.yml.jinja
    - template: jinja
    - context: {{ {'prometheus': prometheus} | json }}
    - check_cmd: promtool check rules

tell prometheus whom to ask:
  file.managed:
    - name: /etc/prometheus/prometheus.yml
    - source: salt://prometheus/files/prometheus.yml.jinja
    - template: jinja
    - context: {{ {'prometheus': prometheus} | json }}
    - check_cmd: promtool check config --syntax-only
