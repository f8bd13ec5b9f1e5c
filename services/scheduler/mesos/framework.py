"""How the scheduler introduces itself to Mesos."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from services.scheduler.mesos.detector import LeaderDetector, ListDetector, ZooKeeperDetector
from services.scheduler.settings import Settings, ZkAddress


def detector(settings: Settings) -> LeaderDetector:
    """Finds the leading master as `settings.master` says: a zk:// URL, or masters with commas between."""
    if settings.master.startswith("zk://"):
        address = ZkAddress.parse(settings.master)
        return ZooKeeperDetector(address.hosts, address.path, address.login)
    return ListDetector(settings.master.split(","))


def info(settings: Settings, framework_id: str | None, roles: Collection[str] = ()) -> dict[str, Any]:
    """The FrameworkInfo; `roles` are those of all applications, the default role is added."""
    capabilities = ["PARTITION_AWARE", "TASK_KILLING_STATE", "MULTI_ROLE", "REGION_AWARE"]
    if "gpu_resources" in settings.enable_features:
        capabilities.append("GPU_RESOURCES")
    document: dict[str, Any] = {
        "user": settings.mesos_user,
        "name": settings.framework_name,
        "roles": sorted({settings.mesos_role, *roles}),
        "checkpoint": settings.checkpoint,
        "failover_timeout": float(settings.failover_timeout),
        "hostname": settings.hostname,
        "webui_url": settings.webui_url or f"http://{settings.own_address}/",
        "capabilities": [{"type": capability} for capability in capabilities],
    }
    if settings.mesos_authentication_principal is not None:
        document["principal"] = settings.mesos_authentication_principal
    if framework_id is not None:
        document["id"] = {"value": framework_id}
    return document
