include:
  - utopia-services.install
  - utopia-services.release
