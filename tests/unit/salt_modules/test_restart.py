"""Markers: left for running services that are older than their files, kept until the service is ready again."""

from __future__ import annotations

import os
import time

import pytest

NOW = time.time()


class Systemd:
    """Answers `units.show` for one unit and remembers what it was told to do."""

    def __init__(self, *, active="active", started=NOW - 100, reload="no", obeys=True):
        self.active, self.started, self.reload, self.obeys = active, started, reload, obeys
        self.did = []

    def show(self, name):
        since_boot = int((self.started - (time.time() - time.monotonic())) * 1e6)
        return {
            "ActiveState": self.active,
            "NeedDaemonReload": self.reload,
            "ExecMainStartTimestampMonotonic": str(since_boot),
            "StateChangeTimestampMonotonic": str(since_boot),
        }

    def does(self, what):
        def act(*_arguments):
            self.did.append(what)
            return self.obeys

        return act

    def functions(self):
        return {
            "units.show": self.show,
            "service.systemctl_reload": self.does("daemon-reload"),
            "service.restart": self.does("restart"),
            "service.reload": self.does("reload"),
        }


@pytest.fixture
def make(load, tmp_path):
    def made(systemd, **options):
        module = load("_states/restart", salt=systemd.functions(), **options)
        module.MARKERS = tmp_path / "markers"
        return module

    return made


@pytest.fixture
def config(tmp_path):
    """A file written at the given time."""

    def write(name, when):
        path = tmp_path / name
        path.write_text("x", encoding="utf-8")
        os.utime(path, (when, when))
        return str(path)

    return write


def test_a_running_service_older_than_a_file_is_marked(make, config):
    restart = make(Systemd())
    path = config("zoo.cfg", NOW - 10)
    result = restart.marked("zookeeper", [config("old", NOW - 1000), path])
    assert result["result"] is True
    assert path in result["changes"]["restart"]
    assert restart.pending("zookeeper")["comment"] == "pending"
    assert restart.marked("zookeeper", [path])["changes"] == {}


@pytest.mark.parametrize(
    ("systemd", "written"),
    [
        (Systemd(), NOW - 1000),  # nothing new
        (Systemd(active="inactive", started=0), NOW - 10),  # its first start will read it
        (Systemd(active="activating"), NOW - 10),  # crashes and comes back by itself, with the new file
        (Systemd(active="failed"), NOW - 10),
        (Systemd(), NOW + 3600),  # a clock was wrong once: a restart would not help
    ],
)
def test_no_marker_without_need(make, config, systemd, written):
    restart = make(systemd)
    result = restart.marked("zookeeper", [config("zoo.cfg", written), "/nowhere/at/all"])
    assert (result["result"], result["changes"]) == (True, {})
    assert restart.pending("zookeeper") == {"name": "zookeeper", "result": True, "comment": "none", "changes": {}}


def test_a_changed_unit_is_read_by_systemd_at_once(make, config):
    systemd = Systemd(reload="yes")
    make(systemd).marked("zookeeper", [config("unit", NOW - 10)])
    assert systemd.did == ["daemon-reload"]


def test_a_dry_run_only_tells(make, config):
    systemd = Systemd(reload="yes")
    restart = make(systemd, test=True)
    result = restart.marked("zookeeper", [config("zoo.cfg", NOW - 10)])
    assert (result["result"], result["changes"]) == (None, {})
    assert restart.pending("zookeeper")["comment"] == "none"
    restart.MARKERS.mkdir()
    (restart.MARKERS / "zookeeper").touch()
    assert restart.performed("zookeeper")["result"] is None
    assert restart.done("zookeeper")["result"] is None
    assert restart.pending("zookeeper")["comment"] == "pending"
    assert systemd.did == []


def test_a_roll_restarts_and_the_marker_goes_last(make, config):
    systemd = Systemd()
    restart = make(systemd)
    restart.marked("zookeeper", [config("zoo.cfg", NOW - 10)])
    assert restart.performed("zookeeper")["changes"] == {"restart": "zookeeper"}
    assert restart.pending("zookeeper")["comment"] == "pending"
    assert restart.done("zookeeper")["changes"] == {"marker": "removed"}
    assert restart.pending("zookeeper")["comment"] == "none"
    assert restart.performed("zookeeper")["changes"] == {}
    assert restart.done("zookeeper")["changes"] == {}
    assert systemd.did == ["restart"]


def test_a_refused_restart_fails_and_keeps_the_marker(make, config):
    restart = make(Systemd(obeys=False))
    restart.marked("zookeeper", [config("zoo.cfg", NOW - 10)])
    result = restart.performed("zookeeper")
    assert result["result"] is False
    assert "journalctl -u zookeeper" in result["comment"]
    assert restart.pending("zookeeper")["comment"] == "pending"


def test_a_reload_follows_a_new_certificate_only(make, config):
    systemd = Systemd()
    restart = make(systemd)
    assert restart.reloaded("nginx", [config("old.crt", NOW - 1000)])["changes"] == {}
    assert restart.reloaded("nginx", [config("new.crt", NOW - 10)])["changes"]
    assert systemd.did == ["reload"]
    systemd.obeys = False
    assert restart.reloaded("nginx", [config("new.crt", NOW - 10)])["result"] is False


@pytest.mark.parametrize(
    ("marked", "mode", "others", "restarted"),
    [
        (True, "standalone", 1, True),
        (True, "standalone", 0, False),
        (True, "follower", 2, False),
        (True, "", 2, False),
        (False, "standalone", 1, False),
    ],
)
def test_one_that_serves_alone_joins_the_others_at_once(make, config, marked, mode, others, restarted):
    systemd = Systemd()
    restart = make(systemd)
    restart.__salt__ |= {"readiness.probe": lambda _: {"mode": mode}, "readiness.others": lambda _: others}
    restart.marked("zookeeper", [config("zoo.cfg", NOW - 10 if marked else NOW - 1000)])
    result = restart.joined("zookeeper")
    assert result["result"] is True
    assert bool(result["changes"]) is restarted
    assert systemd.did == ["restart"] * restarted
    assert restart.pending("zookeeper")["comment"] == ("pending" if marked and not restarted else "none")


def test_one_that_cannot_join_stays_marked(make, config):
    restart = make(Systemd(obeys=False))
    restart.__salt__ |= {"readiness.probe": lambda _: {"mode": "standalone"}, "readiness.others": lambda _: 1}
    restart.marked("zookeeper", [config("zoo.cfg", NOW - 10)])
    assert restart.joined("zookeeper")["result"] is False
    assert restart.pending("zookeeper")["comment"] == "pending"
