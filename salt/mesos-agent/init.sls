include:
  - mesos-agent.config
  - mesos-agent.service
