"""How an environment is right now: every service asked at once, one answer within three seconds.

Asked from here over the network (`bootstrap.health`), without SSH and without changing anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bootstrap import health, whose_machines
from bootstrap.errors import ExitStatus, OperatorError
from bootstrap.health import Health, View
from bootstrap.health import figures as health_figures
from bootstrap.health.figures import Figures
from bootstrap.health.net import Login, gather
from bootstrap.model import Cluster
from bootstrap.secrets import Secrets

DEADLINE = 2.3  # seconds; with the start of the program an answer is there within three
OPERATOR = "mesos-operator"  # secret, whose principal is `operator`
LOGINS = ("marathon-operator", "router-api", "elasticsearch-operator", "prometheus-operator")


@dataclass(frozen=True, slots=True)
class Status:
    """Everything found, roles in the order in which they need each other."""

    env: str
    found: tuple[Health, ...]
    seconds: float
    figures: Figures = field(default_factory=Figures)

    @property
    def problems(self) -> tuple[Health, ...]:
        """What is wrong, causes before consequences: the machines first, then roles along their needs."""
        return tuple(health for health in self.found if health.wrong)

    @property
    def exit_status(self) -> ExitStatus:
        """OK only when nothing is wrong."""
        return ExitStatus.UNHEALTHY if self.problems else ExitStatus.OK

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "env": self.env,
            "healthy": not self.problems,
            "seconds": round(self.seconds, 3),
            "figures": {"source": self.figures.source, **self.figures.values},
            "found": [
                {"role": h.role, "node": h.node, "state": h.state, "detail": h.detail, "next": h.next_step}
                for h in self.found
            ],
        }


def ask(cluster: Cluster, *, seconds: float = DEADLINE) -> Status:
    """Ask every service of `cluster` at once. Whatever has not answered after `seconds` is reported as such.

    Raises UsageError or SaltError where the machines are not those that the state folder knows.
    """
    started = time.monotonic()
    view = View(cluster, operator(cluster.env), logins=logins(cluster.env))
    borne = {"base", *(role for node in cluster.nodes for role in node.roles)}
    checks = {role: check for role, check in health.checks().items() if role in borne}
    jobs: dict[str, Callable[[], list[Health]]] = {role: partial(check, view) for role, check in checks.items()}
    stopped: set[str] = set()
    numbers: list[Figures] = []
    jobs["machines"] = partial(_machines, cluster, stopped)
    jobs["figures"] = partial(_figures, view, numbers)
    strange: list[OperatorError] = []
    jobs["whose"] = partial(_whose, cluster, strange)
    answers = gather(jobs, seconds)
    if strange:
        raise strange[0]
    for name in ("machines", "figures", "whose"):
        del answers[name]
    found: list[Health] = []
    for role, answer in answers.items():
        late = Health(role, "", "failed", f"not all of it answered within {seconds:g} s", view.converge)
        found += [late] if answer is None else answer
    found = [_explain(entry, stopped, view) for entry in found + _unasked(cluster)]
    if len(stopped) == len(cluster.nodes):
        found = [Health("base", "", "failed", f"none of its {len(stopped)} machines runs", view.converge)]
    order = role_order(cluster)
    found.sort(key=lambda entry: order.get(entry.role, len(order)))
    figures = numbers[0] if numbers else Figures()
    return Status(cluster.env, tuple(found), time.monotonic() - started, figures)


def operator(env: str) -> Login | None:
    """The operator's login, if this environment has one already: asking never makes secrets."""
    secrets = Secrets(env)
    return Login("operator", secrets.value(OPERATOR)) if OPERATOR in secrets.names() else None


def logins(env: str) -> Mapping[str, Login]:
    """The operator's logins by the name of their secret, for those that were made."""
    secrets = Secrets(env)
    return {name: Login("operator", secrets.value(name)) for name in LOGINS if name in secrets.names()}


def missing_machines(cluster: Cluster) -> set[str]:
    """Nodes whose machine does not run, as far as the driver can tell; existing machines are not its to know."""
    from bootstrap import drivers

    if cluster.driver == "ssh":
        return set()
    try:
        running = {machine.node for machine in drivers.get(cluster).machines()}
    except OperatorError:
        running = set()  # no engine: none of its machines runs
    return {node.name for node in cluster.nodes} - running


def _machines(cluster: Cluster, stopped: set[str]) -> list[Health]:
    stopped |= missing_machines(cluster)
    return []


def _whose(cluster: Cluster, strange: list[OperatorError]) -> list[Health]:
    try:
        whose_machines.refuse(cluster)
    except OperatorError as error:
        strange.append(error)
    return []


def _figures(view: View, numbers: list[Figures]) -> list[Health]:
    numbers.append(health_figures.ask(view))
    return []


def role_order(cluster: Cluster) -> Mapping[str, int]:
    """Each role's distance from the ground: base, then along `needs` and `beside`."""
    depth: dict[str, int] = {}

    def measure(name: str) -> int:
        if name not in depth:
            role = cluster.roles[name]
            depth[name] = 0 if name == "base" else 1 + max((measure(n) for n in role.before), default=0)
        return depth[name]

    return {name: measure(name) for name in cluster.roles}


def _explain(entry: Health, stopped: set[str], view: View) -> Health:
    """A service on a machine that does not run has that one reason."""
    if entry.node in stopped:
        return Health(entry.role, entry.node, "failed", "its machine does not run", view.converge)
    return entry


def _unasked(cluster: Cluster) -> list[Health]:
    return [
        Health(role, node.name, "unasked", why)
        for role, why in health.UNASKED.items()
        if role in cluster.roles
        for node in cluster.with_role(role)
    ]
