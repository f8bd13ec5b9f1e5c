{% from 'fluentd/map.jinja' import fluentd with context %}
{% from 'elasticsearch/map.jinja' import elasticsearch with context %}
{% from 'mesos-agent/map.jinja' import mesos_agent with context %}
{%- set context = {'fluentd': fluentd, 'prefix': elasticsearch.index.prefix, 'mesos_work_dir': mesos_agent.flags.work_dir} %}

make the folder of fluentd:
  file.directory:
    - name: {{ fluentd.state_dir }}
    - user: {{ fluentd.user }}
    - mode: '0700'
    - require:
      - pkg: install fluent-package

# A configuration that fluentd does not understand is never installed.
configure fluentd:
  file.managed:
    - name: /etc/fluent/fluentd.conf
    - source: salt://fluentd/files/fluentd.conf
    - template: jinja
    - user: {{ fluentd.user }}
    - mode: '0600'
    - makedirs: True
    - show_changes: False
    - check_cmd: /opt/fluent/bin/fluentd --dry-run -c
    - context: {{ context | json }}
    - require:
      - once: install the joining plugin of fluent-package
