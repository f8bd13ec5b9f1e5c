include:
  - utopia-router.config
  - utopia-router.service
