"""utopia-scheduler: Marathon's REST API on the Mesos v1 scheduler API."""
