"""Settings: what is taken, and what is refused with which words."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from bootstrap import paths
from services.scheduler.settings import GONE, Settings, SettingsError, ZkAddress, load, parse

MASTER = {"master": "zk://10.0.0.1:2181,10.0.0.2:2181/mesos"}


def test_defaults_are_marathons() -> None:
    settings = parse(MASTER)
    assert (settings.http_port, settings.local_port_min, settings.local_port_max) == (8080, 10_000, 20_000)
    assert (settings.framework_name, settings.failover_timeout, settings.mesos_role) == ("marathon", 604_800, "*")
    assert settings.max_running_deployments == 100


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({}, "master: is missing"),
        ([], "expected an object"),
        ({**MASTER, "htp_port": 1}, "htp_port: no such setting, did you mean http_port?"),
        ({**MASTER, "zzz": 1}, "zzz: no such setting"),
        ({**MASTER, "http_port": "8080"}, 'http_port: expected a whole number, found "8080"'),
        ({**MASTER, "http_port": True}, "http_port: expected a whole number, found true"),
        ({**MASTER, "http_port": 0}, "http_port: expected 1 to 65535, found 0"),
        ({**MASTER, "checkpoint": "yes"}, 'checkpoint: expected true or false, found "yes"'),
        ({**MASTER, "enable_features": ["vips"]}, "enable_features: no such feature: vips"),
        ({**MASTER, "enable_features": "vips"}, 'enable_features: expected a list of texts, found "vips"'),
        ({**MASTER, "zk": "10.0.0.1:2181/marathon"}, "zk: expected zk://host:port"),
        ({**MASTER, "zk": "zk://10.0.0.1:2181"}, "zk: a path is needed"),
        ({"master": "http://"}, "master: expected zk://host:port/path"),
        ({**MASTER, "http_credentials": "a:b"}, 'http_credentials: put "user:password" into a file'),
        ({**MASTER, "local_port_min": 30_000}, "local_port_min: greater than local_port_max"),
        ({**MASTER, "mesos_authentication_secret_file": "/x"}, "mesos_authentication_principal: is missing"),
        ({**MASTER, "logging_level": "loud"}, "logging_level: expected one of debug, info, warn, error, found loud"),
    ],
)
def test_refused(document: Any, problem: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        parse(document)
    assert [found for found in refusal.value.problems if found.startswith(problem)], refusal.value.problems


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as refusal:
        parse({"http_port": 0, "nonsense": 1})
    assert len(refusal.value.problems) == 3


@pytest.mark.parametrize(
    ("url", "hosts", "path", "login"),
    [
        ("zk://a:1/m", "a:1", "/m", None),
        ("zk://a:1,b:2/m/n/", "a:1,b:2", "/m/n", None),
        ("zk://u:p:q@a:1/m", "a:1", "/m", ("u", "p:q")),
        ("zk://a:1", "a:1", "", None),
    ],
)
def test_zk_address(url: str, hosts: str, path: str, login: tuple[str, str] | None) -> None:
    assert ZkAddress.parse(url) == ZkAddress(hosts, path, login)


def test_an_address_shown_has_no_login() -> None:
    assert str(ZkAddress.parse("zk://u:secret@a:1/m")) == "zk://a:1/m"


def test_secrets_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "http").write_text("operator:one:two\nreader:three\n\n")
    (tmp_path / "zk").write_text("marathon:four\n")
    (tmp_path / "config.json").write_text(
        json.dumps(
            {
                **MASTER,
                "http_credentials_file": str(tmp_path / "http"),
                "zk_credentials_file": str(tmp_path / "zk"),
                "zk": "zk://other:login@a:1/marathon",
            }
        )
    )
    settings = load(tmp_path / "config.json")
    assert settings.http_logins() == {"operator": "one:two", "reader": "three"}
    assert settings.zk_login() == ("marathon", "four")


@pytest.mark.parametrize("content", ["", "operator", ":secret", "operator:"])
def test_no_login_in_the_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "http").write_text(content)
    settings = parse({**MASTER, "http_credentials_file": str(tmp_path / "http")})
    with pytest.raises(SettingsError, match="user:password"):
        settings.http_logins()


@pytest.mark.parametrize(("content", "problem"), [(None, "No such file"), ("{", "no JSON")])
def test_unreadable(tmp_path: Path, content: str | None, problem: str) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(SettingsError, match=problem):
        load(tmp_path / "config.json")


def test_own_address() -> None:
    assert Settings(master="m:5050", hostname="c1", http_port=80).own_address == "c1:80"
    assert Settings(master="m:5050", hostname="c1", http_port=80, advertise_port=8080).own_address == "c1:8080"


def test_flags_that_mean_nothing_here_say_what_stands_for_them() -> None:
    names = {item.name for item in dataclasses.fields(Settings)}
    assert not names & GONE.keys()
    for name, instead in GONE.items():
        with pytest.raises(SettingsError) as refusal:
            parse({**MASTER, name: 1})
        assert refusal.value.problems == [f"{name}: {instead}"]


def test_the_deployed_configuration_is_taken() -> None:
    defaults = yaml.safe_load((paths.CHECKOUT / "salt/utopia-scheduler/defaults.yaml").read_text())
    assert parse({**MASTER, **defaults["config"]}).kill_drain_seconds == defaults["config"]["kill_drain_seconds"]
