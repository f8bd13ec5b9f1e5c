"""The sample application, its names and where it answers. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from bootstrap.model import Cluster

HELLO = "/hello"  # stays, so that there is something to look at
SCRATCH = "/utopia-smoke"  # is scaled, changed and removed
INSTANCES = 3
ROLE = "ingress"
IMAGE = "utopia/task:1"  # the artifact task-image
_MARK = "utopia.sample"  # label: which definition this is
_PAGE = "hello from {version} on $HOST, task $MESOS_TASK_ID"
# As PID 1 the shell has to be told to end.
_COMMAND = """\
mkdir -p /www && echo "{page}" > /www/index.html
httpd -f -p 8080 -h /www & server=$!
trap 'kill $server; exit 0' TERM
wait $server
"""


def application(app: str, *, instances: int, version: str) -> dict[str, Any]:
    """A web server in Docker on a network of its own, checked by its agent."""
    document = {
        "id": app,
        "cmd": _COMMAND.format(page=_PAGE.format(version=version)),
        "cpus": 0.05,
        "mem": 32,
        "instances": instances,
        "container": {
            "type": "DOCKER",
            "docker": {"image": IMAGE},
            "portMappings": [{"containerPort": 8080, "hostPort": 0, "name": "http"}],
        },
        "networks": [{"mode": "container/bridge"}],
        "healthChecks": [
            {
                "protocol": "MESOS_HTTP",
                "path": "/",
                "portIndex": 0,
                "gracePeriodSeconds": 30,
                "intervalSeconds": 1,
                "timeoutSeconds": 5,
                "maxConsecutiveFailures": 3,
                "delaySeconds": 0,
            }
        ],
        "upgradeStrategy": {"minimumHealthCapacity": 1.0, "maximumOverCapacity": 1.0},
        "backoffSeconds": 1,
        "taskKillGracePeriodSeconds": 5,
    }
    mark = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:12]
    return {**document, "labels": {_MARK: mark}}


def is_as_wanted(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a definition in Marathon is the one of `application`."""
    return bool(found.get("labels", {}).get(_MARK) == wanted["labels"][_MARK])


def hosts(app: str, domain: str) -> tuple[str, ...]:
    """Under which names it is reached: what resolves to loopback everywhere, and the environment's domain."""
    name = app.strip("/")
    return (f"{name}.localhost", f"{name}.{domain}")


def rule(app: str, domain: str) -> dict[str, Any]:
    """The rule of its route, as Bamboo's API takes it."""
    return {"id": app, "acl": f"hdr(host) -i {' '.join(hosts(app, domain))}"}


def url(cluster: Cluster) -> str:
    """Where a person finds it: a published port of a lab, else the environment's domain; "" where nothing can."""
    edges = cluster.with_role(ROLE)
    if not edges or ROLE not in cluster.roles:
        return ""
    inside = next(port.number for port in cluster.roles[ROLE].ports if port.name == "http")
    if not cluster.lab:
        return f"http://{hosts(HELLO, cluster.domain)[1]}/"
    published: Mapping[str, list[str]] = cluster.driver_settings.get("publish") or {}
    for mapping in (text for edge in edges for text in published.get(edge.name, ())):
        _, outside, port = mapping.partition("/")[0].split(":")
        if int(port) == inside and outside:
            return f"http://{hosts(HELLO, cluster.domain)[0]}:{outside}/"
    return ""
