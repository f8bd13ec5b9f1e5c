{% from 'rsyslog/map.jinja' import rsyslog with context %}

restart rsyslog if it is marked:
  restart.performed:
    - name: rsyslog

wait until rsyslog is back:
  readiness.wait:
    - name: logs
    - unit: rsyslog
    - timeout: {{ rsyslog.ready_timeout }}
    - require:
      - restart: restart rsyslog if it is marked

take the mark off rsyslog:
  restart.done:
    - name: rsyslog
    - require:
      - readiness: wait until rsyslog is back
