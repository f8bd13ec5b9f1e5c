include:
  - base.install
