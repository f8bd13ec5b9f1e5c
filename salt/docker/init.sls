include:
  - docker.install
