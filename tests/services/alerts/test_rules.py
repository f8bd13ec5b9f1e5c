"""Every alert rule fires on the figures of its failure and keeps quiet on those of a well cluster (promtool)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from bootstrap import config, engine, paths, plan

RULES = paths.SALT / "prometheus/files/rules.yml.jinja"
Series = dict[str, str]
NODE = 'node="n"'


def growing(step: int) -> str:
    return f"0+{step}x120"


# Alert -> (figures of the failure, the same figures when all is well). `local` has 3 masters, 3 members and 2 agents.
CASES: dict[str, tuple[Series, Series]] = {
    "NodeDown": ({f'up{{job="utopia",{NODE}}}': "0x120"}, {f'up{{job="utopia",{NODE}}}': "1x120"}),
    "PartDown": ({'utopia_part_up{part="docker"}': "0x120"}, {'utopia_part_up{part="docker"}': "1x120"}),
    "DiskFilling": (
        {'node_filesystem_avail_bytes{device="d"}': "14x120", 'node_filesystem_size_bytes{device="d"}': "100x120"},
        {'node_filesystem_avail_bytes{device="d"}': "16x120", 'node_filesystem_size_bytes{device="d"}': "100x120"},
    ),
    "MemoryLow": (
        {"node_memory_MemAvailable_bytes": "4x120", "node_memory_MemTotal_bytes": "100x120"},
        {"node_memory_MemAvailable_bytes": "6x120", "node_memory_MemTotal_bytes": "100x120"},
    ),
    "ClockOff": ({"node_time_seconds": "10+60x120"}, {"node_time_seconds": "1+60x120"}),
    "OwnNameWrong": ({"utopia_own_name_right": "0x120"}, {"utopia_own_name_right": "1x120"}),
    "UnitFailed": ({'utopia_unit_failed{unit="u"}': "1x120"}, {}),
    "RestartDue": ({'utopia_restart_due_seconds{service="s"}': growing(60)}, {}),
    "CertificateEnds": (
        {'utopia_certificate_ends_seconds{port="1"}': f"{20 * 86400}x120"},
        {'utopia_certificate_ends_seconds{port="1"}': f"{22 * 86400}x120"},
    ),
    "CertificateInvalid": (
        {'utopia_certificate_valid{port="1"}': "0x120"},
        {'utopia_certificate_valid{port="1"}': "1x120"},
    ),
    "ZooKeeperNoLeader": (
        {'zookeeper_server_state{node="a",state="leader"}': "0x120"},
        {'zookeeper_server_state{node="a",state="leader"}': "1x120"},
    ),
    "ZooKeeperMemberMissing": (
        {f'zookeeper_server_state{{node="{n}",state="follower"}}': "1x120" for n in "ab"},
        {f'zookeeper_server_state{{node="{n}",state="follower"}}': "1x120" for n in "abc"},
    ),
    "ZooKeeperDataLarge": (
        {"zookeeper_approximate_data_size": "300000000x120"},
        {"zookeeper_approximate_data_size": "30000x120"},
    ),
    "MesosNoLeader": (
        {f'mesos_master_elected{{node="{n}"}}': "0x120" for n in "abc"},
        {'mesos_master_elected{node="a"}': "1x120", 'mesos_master_elected{node="b"}': "0x120"},
    ),
    "MesosRegistryNotWhole": (
        {"mesos_registrar_log_ensemble_size": "2x120"},
        {"mesos_registrar_log_ensemble_size": "3x120"},
    ),
    "AgentGone": ({"mesos_master_slaves_active": "1x120"}, {"mesos_master_slaves_active": "2x120"}),
    "AgentsUnreachable": ({"mesos_master_slaves_unreachable": "1x120"}, {"mesos_master_slaves_unreachable": "0x120"}),
    "TasksLost": (
        {"mesos_master_tasks_lost": growing(2), "mesos_master_tasks_gone": "0x120"},
        {"mesos_master_tasks_lost": "7x120", "mesos_master_tasks_gone": "0x120"},
    ),
    "OrphanContainers": ({"utopia_orphan_containers": "1x120"}, {"utopia_orphan_containers": "0x120"}),
    "MarathonAway": ({'up{job="marathon",node="a"}': "0x120"}, {'up{job="marathon",node="a"}': "1x120"}),
    "FrameworkGone": ({"mesos_master_frameworks_active": "0x120"}, {"mesos_master_frameworks_active": "1x120"}),
    "DeploymentStuck": (
        {"marathon_deployments_active_gauge": "1x120"},
        {"marathon_deployments_active_gauge": "1 0 1 0 1 0 1 0 0x112"},
    ),
    "ApplicationRestarts": (
        {'utopia_app_started_total{app="/x"}': growing(1)},
        {'utopia_app_started_total{app="/x"}': "9x120"},
    ),
    "ApplicationMemory": (
        {'utopia_app_memory_share{app="/x"}': "0.97x120"},
        {'utopia_app_memory_share{app="/x"}': "0.5x120"},
    ),
    "ApplicationThrottled": (
        {
            'utopia_app_cpu_throttled_periods_total{app="/x"}': growing(6),
            'utopia_app_cpu_periods_total{app="/x"}': growing(10),
        },
        {
            'utopia_app_cpu_throttled_periods_total{app="/x"}': growing(1),
            'utopia_app_cpu_periods_total{app="/x"}': growing(10),
        },
    ),
    "RouterStale": ({"utopia_router_view_age_seconds": "200x120"}, {"utopia_router_view_age_seconds": "20x120"}),
    "RouterNotApplied": ({"utopia_router_applied": "0x120"}, {"utopia_router_applied": "1x120"}),
    "ReloadsFail": (
        {"utopia_router_failed_reloads_total": growing(1)},
        {"utopia_router_failed_reloads_total": "3x120"},
    ),
    "EdgeErrors": (
        {
            'haproxy_frontend_http_responses_total{code="5xx"}': growing(6),
            "haproxy_frontend_http_requests_total": growing(99),
        },
        {
            'haproxy_frontend_http_responses_total{code="5xx"}': growing(1),
            "haproxy_frontend_http_requests_total": growing(99),
        },
    ),
    "ElasticsearchRed": (
        {'elasticsearch_cluster_health_status{color="red"}': "1x120"},
        {'elasticsearch_cluster_health_status{color="red"}': "0x120"},
    ),
    "ElasticsearchYellow": (
        {'elasticsearch_cluster_health_status{color="yellow"}': "1x120"},
        {'elasticsearch_cluster_health_status{color="yellow"}': "0x120"},
    ),
    "ElasticsearchSplit": (
        {"elasticsearch_cluster_health_number_of_nodes": "1x120"},
        {"elasticsearch_cluster_health_number_of_nodes": "3x120"},
    ),
    "ElasticsearchDiskFull": (
        {
            "elasticsearch_filesystem_data_available_bytes": "9x120",
            "elasticsearch_filesystem_data_size_bytes": "100x120",
        },
        {
            "elasticsearch_filesystem_data_available_bytes": "11x120",
            "elasticsearch_filesystem_data_size_bytes": "100x120",
        },
    ),
    "ElasticsearchRefuses": (
        {'elasticsearch_thread_pool_rejected_count{type="write"}': growing(1)},
        {'elasticsearch_thread_pool_rejected_count{type="write"}': "4x120"},
    ),
    "ElasticsearchReadOnly": ({"elasticsearch_indices_readonly": "2x120"}, {"elasticsearch_indices_readonly": "0x120"}),
    "ElasticsearchHeapFull": (
        {
            'elasticsearch_jvm_memory_used_bytes{area="heap"}': "95x120",
            'elasticsearch_jvm_memory_max_bytes{area="heap"}': "100x120",
        },
        {
            'elasticsearch_jvm_memory_used_bytes{area="heap"}': "95 95 95 40 95 95 95 40 95 40 40x112",
            'elasticsearch_jvm_memory_max_bytes{area="heap"}': "100x122",
        },
    ),
    "ElasticsearchCollects": (
        {
            'elasticsearch_jvm_gc_collection_seconds_sum{gc="old",node="n"}': growing(12),
            'elasticsearch_jvm_gc_collection_seconds_sum{gc="young",node="n"}': growing(12),
        },
        {
            'elasticsearch_jvm_gc_collection_seconds_sum{gc="old",node="a"}': growing(12),
            'elasticsearch_jvm_gc_collection_seconds_sum{gc="old",node="b"}': growing(12),
        },
    ),
    "ElasticsearchThrottled": (
        {"elasticsearch_indices_indexing_is_throttled": "1x120"},
        {"elasticsearch_indices_indexing_is_throttled": "1 0 1 0 0x116"},
    ),
    "SnapshotOld": (
        {"elasticsearch_snapshot_taken_seconds": "-200000x120"},
        {"elasticsearch_snapshot_taken_seconds": "-100000x120"},
    ),
    "LogsLost": (
        {'utopia_log_lines_lost_total{node="n"}': growing(1), 'utopia_log_lines_refused_total{node="n"}': "0x120"},
        {'utopia_log_lines_lost_total{node="n"}': "5x120", 'utopia_log_lines_refused_total{node="n"}': "0x120"},
    ),
    "LogsWait": ({"utopia_log_lines_waiting": "20000x120"}, {"utopia_log_lines_waiting": "200x120"}),
    "NoCanary": (
        {'utopia_log_canary_found_seconds{source="s"}': "60x120"},
        {'utopia_log_canary_found_seconds{source="s"}': "0+60x120"},
    ),
}


# Rules that have a second failure.
MORE: list[tuple[str, Series, Series]] = [
    (
        "PartDown",
        {f'up{{job="elasticsearch",{NODE}}}': "0x120", f'up{{job="utopia",{NODE}}}': "1x120"},
        {f'up{{job="elasticsearch",{NODE}}}': "0x120", f'up{{job="utopia",{NODE}}}': "0x120"},  # NodeDown says it
    ),
    ("LogsWait", {"utopia_log_buffer_full_share": "0.6x120"}, {"utopia_log_buffer_full_share": "0.4x120"}),
]


@pytest.fixture(scope="module")
def promtool() -> str:
    engine.install({"promtool": "prometheus"}, lambda _node, _text: None, why="alert rules are tested with promtool")
    return "promtool"


@pytest.fixture(scope="module")
def rules() -> str:
    """As the admin node of `local` gets them, but for the lab's shorter times."""
    defaults = yaml.safe_load((paths.SALT / "prometheus/defaults.yaml").read_text())
    made = plan.make(config.load("local"))
    pillar = next(own for own in made.node_pillar.values() if "alerts" in own)
    environment = jinja2.Environment(autoescape=False)
    environment.filters["json"] = json.dumps
    return environment.from_string(RULES.read_text()).render(prometheus=defaults, pillar=pillar)


def alerts(rules: str) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(rules)["groups"] for rule in group["rules"]]


def test_every_rule_has_a_case_and_a_runbook(rules: str) -> None:
    assert [rule["alert"] for rule in alerts(rules)] == list(CASES)
    for rule in alerts(rules):
        assert rule["annotations"]["runbook"].strip(), rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning")


def test_every_rule_fires_on_its_failure_and_only_then(promtool: str, rules: str, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(rules)
    tests = []
    for name, failure, well in [*((name, *case) for name, case in CASES.items()), *MORE]:
        for series, samples in ((failure, [{"labels": "{}", "value": 1}]), (well, [])):
            tests.append(
                {
                    "name": f"{name}, {'failure' if samples else 'well'}",
                    "interval": "1m",
                    "input_series": [{"series": key, "values": text} for key, text in series.items()],
                    "promql_expr_test": [
                        {
                            "expr": f'count(count by (alertname) (ALERTS{{alertname="{name}",alertstate="firing"}}))',
                            "eval_time": "90m",
                            "exp_samples": samples,
                        }
                    ],
                }
            )
    document = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(document))
    command = [promtool, "test", "rules", "tests.yml"]
    done = subprocess.run(command, cwd=tmp_path, check=False, text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
