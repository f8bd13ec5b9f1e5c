"""Executors and fetcher of the utopia-mesos package. Standard library only: it runs on every agent."""
