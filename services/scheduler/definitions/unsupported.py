"""Features of Marathon that are not there: refused by name, never dropped in silence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.scheduler.definitions.errors import Problems

Document = Mapping[str, Any]

SECRETS = "Secrets are not supported: this scheduler has no secret store"
PODS = "Pods are not supported: only applications can be scheduled"
GPUS = "GPU scheduling is not supported: gpus must be 0"
RESIDENCY = "Residency is not supported: persistent volumes cannot be scheduled"
EXECUTOR = "Custom executors are not supported: executor must be empty or //cmd"
EXECUTOR_RESOURCES = "executorResources is not supported: tasks run in Mesos' command executor, which needs none"
LINUX_INFO = "linuxInfo (seccomp, IPC and shared memory settings) is not supported"
APPC = "AppC images are not supported: use docker.image"
CREDENTIAL = "docker.credential is not supported: configure the agents, or fetch the registry's configuration file"
PULL_CONFIG = "docker.pullConfig is not supported: it needs secrets, which are not supported"
NETWORK_NONE = "Docker network mode NONE is not supported"
IP_GROUPS = "ipAddress.groups is not supported: networks have no groups"
PERSISTENT_VOLUME = "Persistent volumes are not supported: only host volumes (hostPath) are"
EXTERNAL_VOLUME = "External volumes are not supported: only host volumes (hostPath) are"
CSI_VOLUME = "CSI volumes are not supported: only host volumes (hostPath) are"
SECRET_VOLUME = "Secret volumes are not supported: this scheduler has no secret store"  # noqa: S105 - a message


def refuse(app: Document, problems: Problems, path: str = "") -> None:
    """Reports what the application asks for and cannot have. `app` has its shape already."""
    if app.get("secrets"):
        problems.add(f"{path}/secrets", SECRETS)
    for name, value in app.get("env", {}).items():
        if isinstance(value, dict):
            problems.add(f"{path}/env/{name}", SECRETS)
    if app.get("gpus", 0) > 0:
        problems.add(f"{path}/gpus", GPUS)
    if app.get("residency"):
        problems.add(f"{path}/residency", RESIDENCY)
    if app.get("executor", "") not in ("", "//cmd"):
        problems.add(f"{path}/executor", EXECUTOR)
    if app.get("executorResources"):
        problems.add(f"{path}/executorResources", EXECUTOR_RESOURCES)
    if app.get("ipAddress", {}).get("groups"):
        problems.add(f"{path}/ipAddress/groups", IP_GROUPS)
    if "container" in app:
        _refuse_in_container(app["container"], problems, f"{path}/container")


def refuse_pods(group: Document, problems: Problems, path: str = "") -> None:
    """Reports pods in a group's document."""
    if group.get("pods"):
        problems.add(f"{path}/pods", PODS)


def _refuse_in_container(container: Document, problems: Problems, path: str) -> None:
    if container.get("linuxInfo"):
        problems.add(f"{path}/linuxInfo", LINUX_INFO)
    if container.get("appc"):
        problems.add(f"{path}/appc", APPC)
    docker = container.get("docker", {})
    if docker.get("credential"):
        problems.add(f"{path}/docker/credential", CREDENTIAL)
    if docker.get("pullConfig"):
        problems.add(f"{path}/docker/pullConfig", PULL_CONFIG)
    if docker.get("network") == "NONE":
        problems.add(f"{path}/docker/network", NETWORK_NONE)
    for index, volume in enumerate(container.get("volumes", [])):
        error = _of_volume(volume)
        if error:
            problems.add(f"{path}/volumes({index})", error)


def _of_volume(volume: Document) -> str | None:
    if "persistent" in volume:
        return PERSISTENT_VOLUME
    if "secret" in volume:
        return SECRET_VOLUME
    if "external" in volume:
        external = volume["external"]
        csi = isinstance(external, dict) and external.get("provider") == "csi"
        return CSI_VOLUME if csi else EXTERNAL_VOLUME
    return None
