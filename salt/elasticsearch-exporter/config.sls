{% from 'elasticsearch-exporter/map.jinja' import elasticsearch_exporter with context %}

make the elasticsearch-exporter user:
  user.present:
    - name: elasticsearch-exporter
    - system: True
    - usergroup: True
    - home: /nonexistent
    - createhome: False
    - shell: /usr/sbin/nologin

# The address it asks has the password in it.
tell elasticsearch-exporter whom to ask:
  file.managed:
    - name: /etc/elasticsearch-exporter/arguments
    - source: salt://elasticsearch-exporter/files/arguments
    - template: jinja
    - context: {{ {'flags': elasticsearch_exporter.flags} | json }}
    - makedirs: True
    - user: elasticsearch-exporter
    - mode: '0600'
    - show_changes: False
    - require:
      - user: make the elasticsearch-exporter user
