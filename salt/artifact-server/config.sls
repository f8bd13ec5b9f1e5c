{% from 'artifact-server/map.jinja' import artifact_server with context %}

make the folder of the artifact server:
  file.directory:
    - name: {{ artifact_server.root }}
    - makedirs: True
    - mode: '0755'

configure the artifact server:
  file.managed:
    - name: /etc/nginx/nginx.conf
    - source: salt://artifact-server/files/nginx.conf
    - template: jinja
    - context: {{ {'server': artifact_server} | json }}
    - check_cmd: nginx -t -q -c
