{% from 'utopia-router/map.jinja' import utopia_router with context %}

write the utopia-router unit:
  file.managed:
    - name: /etc/systemd/system/utopia-router.service
    - source: salt://utopia-router/files/utopia-router.service
    - template: jinja
    - context: {{ {'router': utopia_router} | json }}

mark utopia-router for a restart when it runs with old files:
  restart.marked:
    - name: utopia-router
    - files:
      - /etc/systemd/system/utopia-router.service
      - /etc/utopia-router/config.json
      - /etc/utopia-router/marathon-password
      - /etc/utopia-router/zookeeper-login
      - /etc/utopia-router/api-login
      - /etc/utopia-router/stats-login
      - /opt/utopia/services/part-utopia-router
      - /opt/utopia/services/python/.stamp

# Who could write there could send the requests of one application to another.
{%- set parent = salt['file.dirname'](pillar.ingress.zk_path) %}
{%- for path in [parent, pillar.ingress.zk_path] if path != '/' %}

keep others out of the rules of routes in {{ path }}:
  znode.protected:
    - name: {{ path }}
    - user: router
    - secret: zookeeper-router
    - require_in:
      - service: start utopia-router
{%- endfor %}

start utopia-router:
  service.running:
    - name: utopia-router
    - enable: True
    - require:
      - service: start haproxy
      - file: write the utopia-router unit
      - file: configure utopia-router
      - file: note what utopia-router is made of

wait until utopia-router is ready:
  readiness.wait:
    - name: ingress
    - unit: utopia-router
    - timeout: {{ utopia_router.ready_timeout }}
    - require:
      - service: start utopia-router

tell whether utopia-router waits for a restart:
  restart.pending:
    - name: utopia-router
