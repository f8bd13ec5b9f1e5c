{% from 'marathon/map.jinja' import marathon with context %}

make the folder of marathon:
  file.directory:
    - name: /etc/marathon
    - mode: '0755'

give marathon its secret for mesos:
  file.managed:
    - name: /etc/marathon/mesos-secret
    - source: salt://marathon/files/mesos-secret
    - template: jinja
    - user: marathon
    - mode: '0600'
    - show_changes: False
    - require:
      - file: make the folder of marathon

configure marathon:
  file.managed:
    - name: /etc/marathon/java.args
    - source: salt://marathon/files/java.args
    - template: jinja
    - user: marathon
    - mode: '0600'
    - show_changes: False
    - context: {{ {'marathon': marathon, 'heap': marathon.heap or salt['machine.java_heap']()} | json }}
    - require:
      - file: make the folder of marathon
