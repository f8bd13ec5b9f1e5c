{% from 'docker/map.jinja' import docker with context %}

restart docker if it is marked:
  restart.performed:
    - name: docker

wait until docker is back:
  readiness.wait:
    - name: docker
    - timeout: {{ docker.ready_timeout }}
    - require:
      - restart: restart docker if it is marked

take the mark off docker:
  restart.done:
    - name: docker
    - require:
      - readiness: wait until docker is back
