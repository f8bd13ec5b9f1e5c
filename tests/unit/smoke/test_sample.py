"""The sample application: its definition, names and address."""

from __future__ import annotations

import pytest

from bootstrap import config
from bootstrap.smoke import sample


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))


def test_a_definition_knows_itself_again_and_a_changed_one_not():
    wanted = sample.application("/hello", instances=3, version="version 1")
    stored = {**wanted, "version": "2026-11-23T10:00:00.000Z", "tasksHealthy": 3}
    assert sample.is_as_wanted(stored, wanted)
    assert not sample.is_as_wanted(stored, sample.application("/hello", instances=3, version="version 2"))
    assert not sample.is_as_wanted({"labels": {}}, wanted)
    assert not sample.is_as_wanted({}, wanted)


def test_the_check_is_one_of_the_agents_and_the_shell_ends_when_told():
    (check,) = sample.application("/hello", instances=1, version="v")["healthChecks"]
    assert check["protocol"].startswith("MESOS_")
    assert "trap" in sample.application("/hello", instances=1, version="v")["cmd"]


def test_the_rule_names_hosts_as_bamboo_reads_them():
    rule = sample.rule("/hello", "prod.example.com")
    assert rule == {"id": "/hello", "acl": "hdr(host) -i hello.localhost hello.prod.example.com"}


@pytest.mark.parametrize(
    ("env", "url"),
    [
        ("local", "http://hello.localhost:10080/"),
        ("small", "http://hello.localhost:10081/"),
        ("prod", "http://hello.prod.example.com/"),
    ],
)
def test_where_a_person_finds_it(env, url):
    assert sample.url(config.load(env)) == url


def test_a_lab_that_publishes_nothing_has_no_address(tmp_path):
    import dataclasses

    cluster = config.load("local")
    for publish in (
        {},
        {"edge-1": ["127.0.0.1:10443:443"]},
        {"edge-1": ["127.0.0.1::80"]},
        {"admin-1": ["127.0.0.1:1:80"]},
    ):
        assert sample.url(dataclasses.replace(cluster, driver_settings={"publish": publish})) == ""
