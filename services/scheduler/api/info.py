"""/v2/info: who this scheduler is, who leads, and the settings in force. No secrets."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from services.scheduler.api import answers
from services.scheduler.api.context import Context
from services.scheduler.settings import ZK_URL, Settings, ZkAddress

NAME = "utopia-scheduler"
COMPATIBLE = "1.11.24"  # of Marathon: what clients that look at versions go by

# As Marathon names them; other names would break clients that turn the document into objects of theirs.
_CONFIG = (
    "access_control_allow_origin",
    "checkpoint",
    "decline_offer_duration",
    "default_network_name",
    "env_vars_prefix",
    "failover_timeout",
    "framework_name",
    "hostname",
    "local_port_max",
    "local_port_min",
    "master",
    "max_instances_per_offer",
    "mesos_bridge_name",
    "mesos_heartbeat_failure_threshold",
    "mesos_leader_ui_url",
    "mesos_role",
    "mesos_user",
    "min_revive_offers_interval",
    "reconciliation_interval",
    "task_launch_confirm_timeout",
    "task_launch_timeout",
    "webui_url",
)
_OTHERWISE = {
    "features": "enable_features",
    "leader_proxy_connection_timeout_ms": "leader_proxy_connection_timeout",
    "leader_proxy_read_timeout_ms": "leader_proxy_read_timeout",
}
_ZOOKEEPER = ("zk", "zk_connection_timeout", "zk_max_node_size", "zk_max_versions", "zk_session_timeout")


async def get(context: Context, _request: web.Request) -> web.StreamResponse:
    """As Marathon shows it."""
    settings = context.settings
    config = {name: _shown(settings, name) for name in _CONFIG}
    config |= {name: _shown(settings, ours) for name, ours in _OTHERWISE.items()}
    document = {
        "name": NAME,
        "version": COMPATIBLE,
        "buildref": "unknown",
        "elected": context.leadership.is_leader,
        "leader": context.leadership.leader,
        "frameworkId": context.core.framework_id,
        "marathon_config": {name: value for name, value in config.items() if value is not None}
        | {"ha": True, "store_cache": True},
        "zookeeper_config": {name: _shown(settings, name) for name in _ZOOKEEPER} | {"zk_compression": True},
        "http_config": {"http_port": settings.http_port, "https_port": 0},
    }
    return answers.document(document)


def _shown(settings: Settings, name: str) -> Any:
    """A setting without the login that an address may have."""
    value = getattr(settings, name)
    if isinstance(value, str) and ZK_URL.fullmatch(value):
        return str(ZkAddress.parse(value))
    return value
