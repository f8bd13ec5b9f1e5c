"""The leading Mesos master: found in ZooKeeper, spoken to over the v1 scheduler API."""
