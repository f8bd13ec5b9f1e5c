include:
  - zookeeper.install
