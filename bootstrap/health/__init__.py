"""How the services are, asked from the controlling side: one module per kind of service.

A check is `check(view) -> list[Health]`. It asks the service itself, over the network, with a timeout;
nothing is changed and no SSH is needed. `CHECKS` says which role is asked by which check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from bootstrap import paths
from bootstrap.health.net import SECONDS, Login
from bootstrap.model import Cluster

# `unasked`: cannot be seen from outside, neither good nor bad. `firing`: an alert, which tells of the last minutes.
State = Literal["ok", "degraded", "failed", "unasked", "firing"]


@dataclass(frozen=True, slots=True)
class Health:
    """One finding. `node` is "" when it is about the role as a whole. `next_step` is a command."""

    role: str
    node: str
    state: State
    detail: str
    next_step: str = ""

    @property
    def wrong(self) -> bool:
        """Whether somebody has to do something."""
        return self.state in ("degraded", "failed")


@dataclass(frozen=True, slots=True)
class View:
    """What a check may know. `operator` is the login of Mesos, None when this environment was never made.

    `logins`: name of a secret -> the operator's login with it, for those that were made.
    """

    cluster: Cluster
    operator: Login | None = None
    seconds: float = SECONDS
    logins: Mapping[str, Login] = field(default_factory=dict)

    def port(self, role: str, name: str) -> int:
        """The number of a port of the role table."""
        return next(port.number for port in self.cluster.roles[role].ports if port.name == name)

    def journal(self, node: str, unit: str) -> str:
        """The command that shows why a unit is not well."""
        return f"bootstrap ssh --env {env_argument(self.cluster)} {node} -- journalctl -n 50 -u {unit}"

    def unit(self, role: str) -> str:
        """The unit that does the role's work, whichever provider fills it: the last one that is restarted."""
        return next(reversed(list(self.cluster.roles[role].restart)), role)

    @property
    def converge(self) -> str:
        """The command that brings everything back to what the files say."""
        return self.command("cluster")

    def command(self, name: str) -> str:
        """A command of ours for this environment."""
        return f"bootstrap {name} --env {env_argument(self.cluster)}"


def env_argument(cluster: Cluster) -> str:
    """What `--env` takes for this environment: its name, or the path of a file that lies elsewhere."""
    ours = paths.PILLAR / "env" / cluster.env / "cluster.yaml"
    return cluster.env if cluster.path.absolute() == ours else str(cluster.path)


Check = Callable[[View], list[Health]]


def checks() -> dict[str, Check]:
    """Role -> the check that asks it. A role that is not here cannot be asked from outside."""
    from bootstrap.health import (
        admin,
        alerts,
        base,
        elasticsearch,
        ingress,
        log_aggregator,
        logs,
        marathon,
        mesos,
        monitoring,
        zookeeper,
    )

    return {
        "base": base.check,
        "admin": admin.check,
        "zookeeper": zookeeper.check,
        "mesos-master": mesos.check,  # the leader is asked about the agents as well
        "marathon": marathon.check,
        "ingress": ingress.check,
        "elasticsearch": elasticsearch.check,
        "log-aggregator": log_aggregator.check,
        "logs": logs.check,
        "monitoring": monitoring.check,
        "alerts": alerts.check,
    }


# Roles that nothing on the network tells about, and who does.
UNASKED = {"docker": "not visible from outside: bootstrap verify asks the engine"}
# Roles another role's check speaks for.
ASKED_BY = {"mesos-agent": "mesos-master"}
