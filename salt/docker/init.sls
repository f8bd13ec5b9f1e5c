include:
  - docker.install
  - docker.config
  - docker.service
