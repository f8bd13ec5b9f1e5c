"""Rule: flags of Marathon are those of its release 1.11; with any other it ends with status 112 at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bootstrap.checks.draft import Draft
from bootstrap.checks.fields import kind
from bootstrap.checks.finding import Finding, unknown

COMPONENT = "marathon"
# Of `marathon --help`, 1.11.24.
_SWITCHES = """
checkpoint disable_http disable_maintenance_mode ha http_compression leader_proxy_ssl_ignore_hostname
mesos_authentication suppress_offers tracing zk_compression
"""
_VALUES = """
accepted_resource_roles_default_behavior access_control_allow_origin backup_location decline_offer_duration
default_network_name deprecated_features draining_seconds enable_features env_vars_prefix executor
failover_timeout framework_name gpu_scheduling_behavior hostname http_address http_credentials
http_max_concurrent_requests http_port http_realm https_address https_port launch_token_refresh_interval
launch_tokens leader_proxy_connection_timeout leader_proxy_max_open_connections leader_proxy_read_timeout
local_port_max local_port_min logging_level logstash master max_apps max_instances_per_offer
max_running_deployments max_tasks_per_offer max_tasks_per_offer_cycle mesos_authentication_principal
mesos_authentication_secret mesos_authentication_secret_file mesos_bridge_name
mesos_heartbeat_failure_threshold mesos_heartbeat_interval mesos_leader_ui_url mesos_role mesos_user
metrics_datadog metrics_datadog_host metrics_datadog_port metrics_datadog_protocol
metrics_datadog_transmission_interval_ms metrics_histogram_reservoir_reset_periodically
metrics_histogram_reservoir_resetting_chunks metrics_histogram_reservoir_resetting_interval_ms
metrics_histogram_reservoir_significant_digits metrics_name_prefix metrics_prometheus metrics_statsd
metrics_statsd_host metrics_statsd_port metrics_statsd_transmission_interval_ms min_revive_offers_interval
new_group_enforce_role offer_matching_timeout on_elected_prepare_timeout plugin_conf plugin_dir
reconciliation_initial_delay reconciliation_interval scale_apps_initial_delay scale_apps_interval
ssl_keystore_password ssl_keystore_path store_cache task_launch_confirm_timeout task_launch_timeout
task_lost_expunge_initial_delay task_lost_expunge_interval webui_url zk zk_compression_threshold
zk_connection_timeout zk_max_node_size zk_max_versions zk_session_timeout zk_timeout
"""
SWITCHES, VALUES = frozenset(_SWITCHES.split()), frozenset(_VALUES.split())
# Of older releases: what to do now.
GONE: Mapping[str, str] = {
    "event_subscriber": "remove it: callbacks went with 1.5, and readers use /v2/events",
    "http_endpoints": "remove it: callbacks went with 1.5, and readers use /v2/events",
    "artifact_store": "remove it: it went with 1.5",
    "assets_path": "remove it: it does nothing any more",
    "task_lost_expunge_gc": "use task_lost_expunge_interval",
    "reporter_graphite": "use metrics_statsd; the reporters went with 1.7",
    "reporter_datadog": "use metrics_datadog; the reporters went with 1.7",
    "reporter_interval": "use metrics_datadog_transmission_interval_ms; the reporters went with 1.7",
    "zk_hosts": "remove it: zk follows from the topology",
    "marathon_store_timeout": "use zk_timeout",
    "revive_offers_for_new_apps": "remove it: it is always on",
}


def flags(draft: Draft) -> Iterator[Finding]:
    """A flag is one that this release has, and a switch is on or off."""
    settings = draft.settings.get(COMPONENT)
    found = settings.get("flags") if isinstance(settings, Mapping) else None
    for flag, value in (found if isinstance(found, Mapping) else {}).items():
        yield from _flag(draft, str(flag), value)


def _flag(draft: Draft, flag: str, value: Any) -> Iterator[Finding]:
    keys = ("settings", COMPONENT, "flags", flag)
    name = flag.removeprefix("disable_")
    if flag in GONE:
        yield draft.finding(keys, value, f"Marathon 1.11 has no flag {flag}, and ends with status 112", GONE[flag])
    elif flag not in SWITCHES | VALUES and name in SWITCHES:
        yield draft.finding(keys, value, f"{flag} is the switch {name}, off", f"write {name}: false")
    elif flag not in SWITCHES | VALUES:
        yield unknown(draft.file, keys, flag, sorted(SWITCHES | VALUES), kind="flag", of="Marathon 1.11")
    elif flag in SWITCHES and not isinstance(value, bool):
        yield draft.finding(keys, value, f"must be true or false, not {kind(value)}", "write true or false")
    elif flag in VALUES and (isinstance(value, bool | list | dict) or value is None or value == ""):
        yield draft.finding(keys, value, f"must be a text or a number, not {kind(value)}", "write its value")
