"""The scheduler's state in ZooKeeper, and who of the schedulers leads."""
