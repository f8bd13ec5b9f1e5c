{% from 'mesos-agent/map.jinja' import mesos_agent with context %}

restart mesos-agent if it is marked:
  restart.performed:
    - name: mesos-agent

wait until mesos-agent is back:
  readiness.wait:
    - name: mesos-agent
    - timeout: {{ mesos_agent.ready_timeout }}
    - require:
      - restart: restart mesos-agent if it is marked

take the mark off mesos-agent:
  restart.done:
    - name: mesos-agent
    - require:
      - readiness: wait until mesos-agent is back
