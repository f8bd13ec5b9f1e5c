"""Fluentd's configuration: for both releases as files a person can read, and what its options have to be among."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from bootstrap import paths

GOLDEN = Path(__file__).with_name("golden") / "fluentd"
CONFIG = "/etc/fluent/fluentd.conf"
NODES = ("prod/agent-01", "prod/edge-1")
VARIANTS = {
    "release-5": {"release": 5},
    "release-6": {"release": 6},
    "aggregators": {"aggregators": ["10.20.0.41:24224", "10.20.0.42:24224"], "overflow_action": "drop_oldest_chunk"},
}


@pytest.fixture(scope="module")
def answers(render, minions):
    """Variant/node -> what is rendered."""
    asked = {}
    for variant, settings in VARIANTS.items():
        for node in NODES:
            minion = minions("prod")[node]
            pillar = {**minion["pillar"], "settings": {**minion["pillar"]["settings"], "fluentd": settings}}
            asked[f"{variant}/{node.partition('/')[2]}"] = {"pillar": pillar, "sls": []}
    answers = render(paths.SALT, asked)
    assert [answer["errors"] for answer in answers.values()] == [[]] * len(asked)
    return answers


@pytest.fixture(scope="module")
def configs(answers):
    """Variant/node -> text."""
    return {name: answer["files"][CONFIG] for name, answer in answers.items()}


def test_rendered_configurations_are_the_golden_ones(configs):
    for name, text in configs.items():
        path = GOLDEN / f"{name}.conf"
        if os.environ.get("UPDATE_GOLDEN"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), path


def sections(text):
    """Every option as (path of sections, name)."""
    path, found = [], set()
    for line in text.splitlines():
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        if closing := re.fullmatch(r"</(\w+)>", word):
            assert path.pop() == closing[1]
        elif opening := re.fullmatch(r"<(\w+)[^>]*>", word):
            path.append(opening[1])
        else:
            found.add((tuple(path), word.split()[0]))
    assert path == []
    return found


def test_options_are_in_the_sections_that_read_them(configs):
    found = sections(configs["release-6/agent-01"])
    match, buffer = ("label", "match"), ("label", "match", "buffer")
    for name in ("id_key", "reconnect_on_error", "verify_es_version_at_startup", "request_timeout", "write_operation"):
        assert (match, name) in found
        assert (buffer, name) not in found
    for name in ("total_limit_size", "overflow_action", "retry_forever", "flush_interval"):
        assert (buffer, name) in found
        assert (match, name) not in found


def test_releases_and_tiers_differ_where_they_must(configs):
    assert "suppress_type_name" in configs["release-5/agent-01"]
    assert "suppress_type_name" not in configs["release-6/agent-01"]
    assert "@type elasticsearch" not in configs["aggregators/agent-01"]
    assert "require_ack_response true" in configs["aggregators/agent-01"]
    assert "docker/containers" not in configs["release-6/edge-1"]


def test_a_configuration_that_fluentd_does_not_take_is_never_installed(answers):
    for name, answer in answers.items():
        (chunk,) = [chunk for chunk in answer["chunks"] if chunk["name"] == CONFIG]
        assert chunk["check_cmd"] == "/opt/fluent/bin/fluentd --dry-run -c", name


def test_the_monitor_tells_no_password(configs):
    for text in configs.values():
        (monitor,) = re.findall(r"<source>\n  @type monitor_agent\n(.*?)</source>", text, re.DOTALL)
        assert "bind 127.0.0.1" in monitor
        assert "include_config false" in monitor


def test_the_canary_of_a_fluentd_node_asks_for_no_group_of_rsyslog(answers):
    for answer in answers.values():
        unit = answer["files"]["/etc/systemd/system/log-canary.service"]
        assert "SupplementaryGroups" not in unit, "a group that is not there: the unit would never start"
