{% from 'mesos-agent/map.jinja' import mesos_agent with context %}
{%- set measured = '/var/lib/utopia/mesos-agent-resources' %}

make the folder of the mesos agent:
  file.directory:
    - name: {{ mesos_agent.flags.work_dir }}
    - mode: '0755'
{%- for path in ['agent-credential.json', 'agent-http-credentials.json', 'executor-key'] %}

give the mesos agent its {{ path }}:
  file.managed:
    - name: /etc/mesos/{{ path }}
    - source: salt://mesos-agent/files/{{ path }}
    - template: jinja
    - mode: '0600'
    - show_changes: False
{%- endfor %}
{%- if not pillar.node.resources %}

keep what the mesos agent was measured to offer:
  file.managed:
    - name: {{ measured }}
    - contents: {{ salt['machine.task_resources'](mesos_agent.ports, measured) | json }}
    - replace: False
{%- endif %}

configure the mesos agent:
  file.managed:
    - name: /etc/mesos/agent.env
    - source: salt://mesos-agent/files/agent.env
    - template: jinja
    - context: {{ {'agent': mesos_agent, 'measured': measured} | json }}
