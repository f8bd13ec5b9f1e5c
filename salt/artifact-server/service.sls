{% from 'artifact-server/map.jinja' import artifact_server with context %}

start the artifact server:
  service.running:
    - name: nginx
    - enable: True
    - require:
      - file: configure the artifact server

reload the artifact server when its certificate or configuration is new:
  restart.reloaded:
    - name: nginx
    - files:
      - /etc/nginx/nginx.conf
      - {{ artifact_server.certificate }}
      - {{ artifact_server.key }}
    - require:
      - service: start the artifact server

wait until the artifact server is ready:
  readiness.wait:
    - name: artifact-server
    - unit: nginx
    - timeout: {{ artifact_server.ready_timeout }}
    - require:
      - restart: reload the artifact server when its certificate or configuration is new
