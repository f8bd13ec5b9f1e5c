include:
  - artifact-server.install
