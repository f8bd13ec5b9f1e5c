"""The Salt master, its API and the artifact server."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bootstrap.health import Health, View
from bootstrap.health.net import UnansweredError, gather, get, open_ports
from bootstrap.model import Node

ROLE = "admin"
_TLS = {"salt-api": "salt-api", "artifacts": "nginx"}  # port -> unit that answers on it, over TLS
_PLAIN = {"salt-publish": "salt-master", "salt-return": "salt-master"}


def check(view: View) -> list[Health]:
    """The API and the artifact server must answer over TLS with this environment's CA."""
    return [health for node in view.cluster.with_role(ROLE) for health in _node(view, node)]


def _node(view: View, node: Node) -> list[Health]:
    from bootstrap import paths

    ca = paths.state_dir(view.cluster.env) / "ca" / "ca.crt"
    if not ca.exists():
        return [Health(ROLE, node.name, "failed", "this environment has no CA yet: it is not made", view.converge)]

    def answers(name: str) -> str:
        try:
            get(str(node.address), view.port(ROLE, name), "/", ca=ca, seconds=view.seconds)
        except UnansweredError as error:
            return str(error)
        return ""

    plain = {name: (str(node.address), view.port(ROLE, name)) for name in _PLAIN}
    jobs: dict[str, Callable[[], str]] = {name: partial(answers, name) for name in _TLS}
    jobs[""] = partial(_ports, plain, view.seconds)
    reached = gather(jobs, view.seconds + 0.2)
    wrong = [(unit, reached[name]) for name, unit in _TLS.items() if reached[name] != ""]
    wrong += [("salt-master", reached[""])] if reached[""] != "" else []
    if not wrong:
        return [Health(ROLE, node.name, "ok", "Salt API and artifacts over TLS")]
    return [
        Health(ROLE, node.name, "failed", f"{unit} {why or 'does not answer in time'}", view.journal(node.name, unit))
        for unit, why in wrong
    ]


def _ports(targets: dict[str, tuple[str, int]], seconds: float) -> str:
    found = open_ports(targets.values(), seconds=seconds)
    return "; ".join(f"port {name} {found[target]}" for name, target in targets.items() if found[target])
