include:
  - zookeeper.install
  - zookeeper.config
  - zookeeper.service
