# What Fluentd comes in: the shipper of every node is made of it, and the aggregators.
include:
  - fluent-package.install
