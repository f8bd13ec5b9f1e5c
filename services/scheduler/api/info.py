"""/v2/info: who this scheduler is, who leads, and the settings in force. No secrets."""

from __future__ import annotations

import dataclasses
from typing import Any

from aiohttp import web

from services.scheduler.api import answers
from services.scheduler.api.context import Context
from services.scheduler.settings import ZK_URL, Settings, ZkAddress

NAME = "utopia-scheduler"
COMPATIBLE = "1.11.24"  # of Marathon: what clients that look at versions go by

_HTTP = {"http_port", "http_address", "http_realm", "http_compression", "http_max_concurrent_requests"}
_UNSHOWN = {"http_credentials_file", "zk_credentials_file", "mesos_authentication_secret_file"}
_NAMES = {  # as Marathon's info calls them
    "leader_proxy_connection_timeout": "leader_proxy_connection_timeout_ms",
    "leader_proxy_read_timeout": "leader_proxy_read_timeout_ms",
    "launch_tokens": "launch_token",
    "enable_features": "features",
}


async def get(context: Context, _request: web.Request) -> web.StreamResponse:
    """As Marathon shows it."""
    settings = context.settings
    shown = settings_document(settings)
    document = {
        "name": NAME,
        "version": COMPATIBLE,
        "buildref": "unknown",
        "elected": context.leadership.is_leader,
        "leader": context.leadership.leader,
        "frameworkId": context.core.framework_id,
        "marathon_config": {
            _NAMES.get(name, name): value
            for name, value in shown.items()
            if name not in _HTTP and not name.startswith("zk")
        }
        | {"ha": True, "store_cache": True},
        "zookeeper_config": {name: value for name, value in shown.items() if name.startswith("zk")}
        | {"zk_compression": True},
        "http_config": {"http_port": settings.http_port, "https_port": 0},
    }
    return answers.document(document)


def settings_document(settings: Settings) -> dict[str, Any]:
    """All settings without secrets, and without the names of their files."""
    shown = {}
    for item in dataclasses.fields(settings):
        value = getattr(settings, item.name)
        if item.name in _UNSHOWN:
            continue
        if isinstance(value, str) and ZK_URL.fullmatch(value):
            value = str(ZkAddress.parse(value))
        shown[item.name] = value
    return shown
