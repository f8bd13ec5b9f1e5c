{% from 'docker/map.jinja' import docker with context %}

mark docker for a restart when it runs with old files:
  restart.marked:
    - name: docker
    - files:
      - /etc/docker/daemon.json
      - /var/lib/dpkg/info/docker.io.list

start docker:
  service.running:
    - name: docker
    - enable: True
    - require:
      - file: configure docker

wait until docker is ready:
  readiness.wait:
    - name: docker
    - timeout: {{ docker.ready_timeout }}
    - require:
      - service: start docker
{%- set image = salt['pillar.get']('artifacts:files:task-image') %}
{%- if image %}

load the task image:
  engine.loaded:
    - name: {{ image.image }}
    - archive: /var/cache/utopia/artifacts/{{ image.file }}
    - require:
      - file: fetch the task image
      - readiness: wait until docker is ready
{%- endif %}

tell whether docker waits for a restart:
  restart.pending:
    - name: docker
