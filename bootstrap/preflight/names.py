"""The names of all rules, for `waivers:` of a topology."""

from __future__ import annotations

from collections.abc import Mapping

# rule -> why it is never waived
NEVER_WAIVED: Mapping[str, str] = {
    "reached": "nothing can be done on a node that does not answer",
    "foreign-salt": "a machine has one master",
    "foreign-data": "data of somebody else is never taken over and never wiped",
    "foreign-service": "data of somebody else is never taken over and never wiped",
    "same-machine": "a machine cannot be two nodes",
    "address": "services bind to the address of the topology",
    "published-ports": "two programs cannot have one port",
    "routes": "packets would go astray",
}
WAIVABLE = (
    *("answers", "operating-system", "architecture", "init", "cgroups", "memory", "disk-room", "mount-options"),
    *("ports-free", "names", "reverse-names", "map-count", "open-files", "swap", "kernel-modules", "docker-version"),
    *("clock", "reachability", "artifact-server"),
    # of the controlling side
    *("cache-room", "engine-room", "storage-driver", "edge-files", "inotify"),
)
