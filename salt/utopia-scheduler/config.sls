{% from 'utopia-scheduler/map.jinja' import utopia_scheduler with context %}

make the user of utopia-scheduler:
  user.present:
    - name: utopia-scheduler
    - system: True
    - usergroup: True
    - home: /nonexistent
    - createhome: False
    - shell: /usr/sbin/nologin

make the folder of utopia-scheduler:
  file.directory:
    - name: /etc/utopia-scheduler
    - mode: '0755'
{%- set newrelic = ['newrelic-secret'] if 'given-newrelic-license' in pillar.secrets else [] %}
{%- for file in ['mesos-secret', 'zookeeper-login', 'api-login'] + newrelic %}

give utopia-scheduler its {{ file }}:
  file.managed:
    - name: /etc/utopia-scheduler/{{ file }}
    - source: salt://utopia-scheduler/files/{{ file }}
    - template: jinja
    - user: utopia-scheduler
    - mode: '0600'
    - show_changes: False
    - require:
      - user: make the user of utopia-scheduler
      - file: make the folder of utopia-scheduler
{%- endfor %}

configure utopia-scheduler:
  file.managed:
    - name: /etc/utopia-scheduler/config.json
    - source: salt://utopia-scheduler/files/config.json
    - template: jinja
    - context: {{ {'config': utopia_scheduler.config} | json }}
