include:
  - artifact-server.install
  - artifact-server.config
  - artifact-server.service
