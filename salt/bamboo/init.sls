include:
  - bamboo.install
  - bamboo.config
  - bamboo.reload
  - bamboo.service
