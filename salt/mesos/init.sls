include:
  - mesos.install
  - mesos.config
