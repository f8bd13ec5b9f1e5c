{% from 'docker/map.jinja' import docker with context %}

configure docker:
  file.managed:
    - name: /etc/docker/daemon.json
    - source: salt://docker/files/daemon.json
    - template: jinja
    - makedirs: True
    - context: {{ {'docker': docker} | json }}
