"""Role mesos-agent: registered with what it has, and able to run tasks of both kinds."""

from __future__ import annotations
