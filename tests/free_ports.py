"""Ports for servers of tests: each given once, and none that the kernel gives to outgoing connections."""

from __future__ import annotations

import random
import socket

HOST = "127.0.0.1"
_RANGE = range(20000, 30000)  # below the ephemeral ports of Linux (32768) and what agents offer (31000)
_given: set[int] = set()


def free_port(host: str = HOST) -> int:
    """A TCP port nobody listens on, and which this process was not given before."""
    for port in random.sample(_RANGE, len(_RANGE)):
        if port in _given:
            continue
        try:
            socket.create_server((host, port)).close()
        except OSError:
            continue
        _given.add(port)
        return port
    raise AssertionError(f"no free port from {_RANGE.start} to {_RANGE.stop}")
