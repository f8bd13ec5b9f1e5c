{% from 'mesos-agent/map.jinja' import mesos_agent with context %}

write the mesos-agent unit:
  file.managed:
    - name: /etc/systemd/system/mesos-agent.service
    - source: salt://mesos-agent/files/mesos-agent.service
    - template: jinja
    - context: {{ {'flags': mesos_agent.flags} | json }}

mark mesos-agent for a restart when it runs with old files:
  restart.marked:
    - name: mesos-agent
    - files:
      - /etc/systemd/system/mesos-agent.service
      - /etc/mesos/agent.env
      - /etc/mesos/agent-credential.json
      - /etc/mesos/agent-http-credentials.json
      - /etc/mesos/executor-key
      - /var/lib/dpkg/info/utopia-mesos.list

start mesos-agent:
  service.running:
    - name: mesos-agent
    - enable: True
    - require:
      - pkg: install mesos
      - file: write the mesos-agent unit
      - file: configure the mesos agent

wait until mesos-agent is ready:
  readiness.wait:
    - name: mesos-agent
    - timeout: {{ mesos_agent.ready_timeout }}
    - require:
      - service: start mesos-agent

tell whether mesos-agent waits for a restart:
  restart.pending:
    - name: mesos-agent
