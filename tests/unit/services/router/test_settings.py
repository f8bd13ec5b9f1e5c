"""Settings: every key known, every error at once."""

from __future__ import annotations

import json

import pytest

from services.router import settings

LEAST = {"marathon_endpoints": ["http://m:8080"]}


def test_defaults():
    found = settings.parse(LEAST)
    assert found.marathon_endpoints == ("http://m:8080",)
    assert found.api_address == ("0.0.0.0", 8000)
    assert found.reserved_ports == {80, 443, 8404, 8000}


def test_lists_may_be_texts_with_commas():
    found = settings.parse({"marathon_endpoints": "http://a, http://b", "zookeeper_hosts": "z1:2181,z2:2181"})
    assert found.marathon_endpoints == ("http://a", "http://b")
    assert found.zookeeper_hosts == ("z1:2181", "z2:2181")


@pytest.mark.parametrize(
    ("document", "parts"),
    [
        ([], ["not an object"]),
        ({}, ["marathon_endpoints is missing"]),
        ({**LEAST, "bindd": "x"}, ["unknown key 'bindd'"]),
        (
            {**LEAST, "http_port": True, "bind": 1, "groups": [1]},
            ["http_port: must be a number", "bind: must be", "groups"],
        ),
        ({**LEAST, "default_routes": 1}, ["default_routes: must be true or false"]),
        ({**LEAST, "http_port": 1.5}, ["http_port: must be a number"]),
        ({**LEAST, "resync_seconds": -1}, ["resync_seconds: must not be negative"]),
        ({"marathon_endpoints": []}, ["marathon_endpoints: at least one"]),
        ({"marathon_endpoints": ["m:8080"]}, ["marathon_endpoints: at least one"]),
        ({**LEAST, "marathon_user": "u"}, ["both or none"]),
        ({**LEAST, "bind": "8000"}, []),
        ({**LEAST, "bind": "host:port"}, ["bind: must be HOST:PORT"]),
        ({**LEAST, "http_port": 0}, ["port 0: must be"]),
        ({**LEAST, "http_port": 8404}, ["must differ"]),
        ({**LEAST, "zookeeper_path": "x", "spare_slots": 0}, ["zookeeper_path: must start", "spare_slots: at least 1"]),
        ({**LEAST, "tcp_ports": [5, 4]}, ["tcp_ports: must be"]),
    ],
)
def test_errors(document, parts):
    if not parts:
        settings.parse(document)
        return
    with pytest.raises(settings.SettingsError) as error:
        settings.parse(document)
    assert [part for part in parts if part not in str(error.value)] == []


def test_files(tmp_path):
    path = tmp_path / "router.json"
    with pytest.raises(settings.SettingsError, match="No such file"):
        settings.load(path)
    path.write_text("{")
    with pytest.raises(settings.SettingsError, match="not JSON"):
        settings.load(path)
    path.write_text(json.dumps(LEAST))
    assert settings.load(path) == settings.parse(LEAST)
    path.write_text("secret\n")
    assert settings.secret(str(path)) == "secret"
    assert settings.secret(None) is None
    with pytest.raises(settings.SettingsError):
        settings.secret(str(tmp_path / "none"))
