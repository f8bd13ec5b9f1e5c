"""What the role contracts read from a machine's answer, and that they notice what is not there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import node_facts
import pytest
from node_facts import Facts, closed, left, missing, not_running

from bootstrap import paths
from bootstrap.model import Port

ANSWER = """
%%%% units
Id=ssh.service
ActiveState=active
UnitFileState=enabled

Id=nginx.service
ActiveState=active
UnitFileState=disabled

Id=docker.service
ActiveState=failed
UnitFileState=enabled

Id=haproxy.service
ActiveState=active

Id=rsyslog.service
ActiveState=active

Id=zookeeper.service
ActiveState=inactive

Id=bamboo-reload.timer
ActiveState=active

%%%% our-units
./rsyslog.service
./zookeeper.service
./bamboo-reload.timer

%%%% listening
tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*
tcp LISTEN 0 128 [::]:22 [::]:*
tcp LISTEN 0 128 127.0.0.1:323 0.0.0.0:*
tcp LISTEN 0 50 [::ffff:10.0.0.1]:2181 *:*
udp UNCONN 0 0 10.0.0.1%eth0:68 0.0.0.0:*

%%%% packages
ii \tcurl\t7.88
rc \tnginx\t1.22

%%%% processes
root         1 /sbin/init
zookeeper   77 /usr/bin/java @/etc/x Main
"""


@pytest.fixture
def facts() -> Facts:
    return Facts("n1", ANSWER, 0.0, 1.0)


def test_units(facts: Facts) -> None:
    assert not_running(facts, ["ssh"]) == []
    assert not_running(facts, ["nginx"]) == ["nginx is not enabled, so it does not come back after a boot"]
    assert not_running(facts, ["docker", "chrony"]) == ["docker is failed", "chrony is not there"]


def test_units_of_former_roles(facts: Facts) -> None:
    """Not the host's own HAProxy, and not what is off."""
    assert left(facts, ["base"], paths.SALT) == ["bamboo-reload.timer", "rsyslog.service"]
    assert left(facts, ["base", "rsyslog", "bamboo"], paths.SALT) == []


def test_ports(facts: Facts) -> None:
    def wrong(number: int, protocol: str = "tcp", address: str = "10.0.0.1") -> bool:
        return bool(closed(facts, address, [Port("x", number, protocol)]))

    assert not wrong(22)
    assert not wrong(2181)
    assert not wrong(68, "udp")
    assert wrong(2181, address="10.0.0.2")
    assert wrong(323)  # on loopback only: no other node can reach it
    assert wrong(22, "udp")


def test_packages(facts: Facts) -> None:
    assert missing(facts, ["curl", "nginx"]) == ["package nginx is not installed"]


def test_processes(facts: Facts) -> None:
    assert facts.processes("java .*Main$") == ["zookeeper"]
    assert facts.processes("python") == []


def test_repr_shows_nothing(facts: Facts) -> None:
    assert repr(facts) == "Facts(n1)"


def test_script_answers_every_section_even_where_commands_are_missing() -> None:
    command = node_facts.script(["localhost"], ["net.ipv4.ip_forward"])
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=True)
    found = Facts("here", result.stdout, 0.0, 1.0)
    assert {section: found.text(section) is not None for section in node_facts.SECTIONS} == dict.fromkeys(
        node_facts.SECTIONS, True
    )
    assert found.lines("sysctl")[0].startswith("net.ipv4.ip_forward")


def test_hunt_finds_what_it_is_to_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ssh that runs its command here: the secret is in a file, in an argument and in an environment."""
    secret = "f00dcafe" * 8
    (tmp_path / "ssh").write_text('#!/bin/sh\nshift 3\nexec sh -c "$*"\n')
    (tmp_path / "ssh").chmod(0o755)
    (tmp_path / "leak").write_text(f"password={secret}\n")
    (tmp_path / "leak").chmod(0o640)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(node_facts, "FOLDERS", f"{tmp_path} /not-there")
    assert node_facts.hunt("here", tmp_path, ["not-there-0123456789"], sudo=None).files == ()
    holder = subprocess.Popen(["sleep", "60"], env={"SECRET": secret})
    talker = subprocess.Popen(["sh", "-c", "read line", secret], stdin=subprocess.PIPE)
    try:
        found = node_facts.hunt("here", tmp_path, [secret], sudo=None)
    finally:
        for process in (holder, talker):
            process.kill()
            process.wait()
    assert (str(tmp_path / "leak"), "640") in {(path, mode) for path, mode, _ in found.files}
    assert found.lines["argv"] >= 1
    assert found.lines["environment"] >= 1
