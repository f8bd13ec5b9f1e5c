include:
  - mesos.install
