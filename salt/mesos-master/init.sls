include:
  - mesos-master.config
  - mesos-master.service
