{% from 'rsyslog/map.jinja' import rsyslog with context %}
{% from 'elasticsearch/map.jinja' import elasticsearch with context %}
{% from 'mesos-agent/map.jinja' import mesos_agent with context %}
{%- set context = {'rsyslog': rsyslog, 'prefix': elasticsearch.index.prefix, 'mesos_work_dir': mesos_agent.flags.work_dir} %}

make the folder of the log shipper:
  file.directory:
    - name: {{ rsyslog.state_dir }}
    - user: log-shipper
    - group: log-shipper
    - mode: '0700'

configure rsyslog:
  file.managed:
    - name: /etc/log-shipper/rsyslog.conf
    - source: salt://rsyslog/files/rsyslog.conf
    - template: jinja
    - user: log-shipper
    - mode: '0600'
    - dir_mode: '0755'
    - makedirs: True
    - show_changes: False
    - check_cmd: >-
        env CONTAINERS_BYTES=1 CONTAINERS_FILE=1 JOURNAL_BYTES=1 JOURNAL_FILE=1 REFUSED_BYTES=1 REFUSED_FILE=1
        /usr/sbin/rsyslogd -N1 -iNONE -f
    - context: {{ context | json }}

install the preparation of the log shipper:
  file.managed:
    - name: /usr/lib/utopia/log-shipper-prepare
    - source: salt://rsyslog/files/prepare
    - template: jinja
    - mode: '0755'
    - makedirs: True
    - context: {{ context | json }}
