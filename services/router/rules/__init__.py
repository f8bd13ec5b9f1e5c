"""Who is reached how: Bamboo's rules in ZooKeeper, marathon-lb's labels, and the routes that follow."""
