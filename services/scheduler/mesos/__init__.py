"""Speaks with the Mesos master: v1 scheduler API, JSON over HTTP, events as RecordIO."""
