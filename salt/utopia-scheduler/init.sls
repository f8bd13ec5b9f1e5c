include:
  - utopia-scheduler.config
  - utopia-scheduler.service
