"""The environment variables of a task, as Marathon sets them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from services.scheduler.definitions.app import App, PortMapping

LABEL_PREFIX = "MARATHON_APP_LABEL_"
MAX_LABEL_LENGTH = 512  # longer ones are left out, so that the environment stays within the kernel's limits


def variables(
    app: App,
    *,
    task_id: str,
    hostname: str,
    ports: Sequence[int | None],
    mappings: Sequence[PortMapping] | None,
    prefix: str = "",
) -> dict[str, str]:
    """Name -> value; the application's own ones win. `mappings`: with their ports, None in host networking.

    `prefix` (flag `env_vars_prefix`) goes before the ports and HOST only.
    """
    about_ports = {"HOST": hostname} | (_host_ports(app, ports) if mappings is None else _mapped_ports(mappings))
    return {
        **_about_app(app, task_id),
        **{prefix + name: value for name, value in about_ports.items()},
        **app.env,
    }


def _about_app(app: App, task_id: str) -> dict[str, str]:
    image = app.container.image if app.container else None
    return {
        "MESOS_TASK_ID": task_id,
        "MARATHON_APP_ID": app.id,
        "MARATHON_APP_VERSION": app.version,
        **({"MARATHON_APP_DOCKER_IMAGE": image} if image else {}),
        "MARATHON_APP_RESOURCE_CPUS": str(float(app.cpus)),
        "MARATHON_APP_RESOURCE_MEM": str(float(app.mem)),
        "MARATHON_APP_RESOURCE_DISK": str(float(app.disk)),
        "MARATHON_APP_RESOURCE_GPUS": str(app.gpus),
        **_labels(app.labels),
    }


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    names = {
        re.sub(r"[^a-zA-Z0-9_]+", "_", key).upper(): value
        for key, value in labels.items()
        if len(key) < MAX_LABEL_LENGTH - len(LABEL_PREFIX) and len(value) < MAX_LABEL_LENGTH
    }
    return {"MARATHON_APP_LABELS": " ".join(names)} | {LABEL_PREFIX + name: value for name, value in names.items()}


def _host_ports(app: App, ports: Sequence[int | None]) -> dict[str, str]:
    entries = [
        (definition.port, port, definition.name)
        for definition, port in zip(app.port_definitions, ports, strict=True)
        if port is not None
    ]
    return _ports([(asked or port, port, name) for asked, port, name in entries])


def _mapped_ports(mappings: Sequence[PortMapping]) -> dict[str, str]:
    """PORT_<container port> tells the host's port; a port that is not on the host tells its own number."""
    return _ports([(m.container_port, m.host_port or m.container_port, m.name) for m in mappings])


def _ports(entries: Sequence[tuple[int, int, str | None]]) -> dict[str, str]:
    """From (number that was asked for, number that it got, name)."""
    if not entries:
        return {}
    result = {"PORT": str(entries[0][1]), "PORTS": ",".join(str(port) for _, port, _ in entries)}
    for index, (asked, port, name) in enumerate(entries):
        result[f"PORT{index}"] = str(port)
        result[f"PORT_{asked}"] = str(port)
        if name:
            result[f"PORT_{re.sub(r'[^a-zA-Z0-9_]', '_', name).upper()}"] = str(port)
    return result
