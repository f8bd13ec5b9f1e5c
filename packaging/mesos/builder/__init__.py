"""Builds the utopia-mesos package from the Apache project's own build of the Mesos library."""
