"""What may break, breaks: everything that can be served is served on."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from router_lab import ROOT, app, free_port, listens, load, task, until, vhost

pytestmark = pytest.mark.services


def test_marathon_away_and_back(edge, marathon, tasks):
    marathon.put(vhost("/a", "a.example", [task("a.1", tasks.start("a.1"))]))
    edge.served_by("a.example", {"a.1"})
    marathon.stop()
    until(lambda: edge.health()["marathon"]["error"], "the router does not notice")
    assert edge.name("a.example") == "a.1"
    assert not edge.health()["view_fresh"]
    marathon.apps["/a"] = vhost("/a", "a.example", [task("a.2", tasks.start("a.2"))])
    marathon.start()
    edge.served_by("a.example", {"a.2"}, requests=4)
    assert edge.health()["view_fresh"]


def test_restart_without_marathon_and_zookeeper(make_edge, marathon, tasks):
    edge = make_edge(zookeeper_hosts=["127.0.0.1:1"]).start()
    marathon.put(vhost("/a", "a.example", [task("a.1", tasks.start("a.1"))]))
    edge.served_by("a.example", {"a.1"})
    edge.settled()
    assert edge.stop_router() == 0
    marathon.stop()
    with load(edge.http, "a.example", clients=2) as seen:
        edge.start_router()
        health = edge.settled()
    assert seen.failures == []
    assert (health["apps"], health["reloads"], health["view_fresh"]) == (1, 0, False)
    edge.stop_router()
    edge.stop_haproxy(signal.SIGKILL)
    edge.start_haproxy()
    edge.start_router()
    edge.settled()
    assert edge.name("a.example") == "a.1"


def test_a_killed_router_starts_again_with_what_it_knew(edge, marathon, tasks):
    marathon.put(vhost("/a", "a.example", [task("a.1", tasks.start("a.1"))]))
    edge.served_by("a.example", {"a.1"})
    edge.stop_router(signal.SIGKILL)
    marathon.apps["/a"] = vhost("/a", "a.example", [task("a.2", tasks.start("a.2"))])
    assert edge.name("a.example") == "a.1"
    edge.start_router()
    edge.served_by("a.example", {"a.2"}, requests=4)


def test_a_router_killed_right_after_a_change_puts_no_old_address_back(edge, marathon, tasks):
    """Its state on disk is older than HAProxy then."""
    ports = [tasks.start(f"r.{number}") for number in range(3)]
    marathon.put(vhost("/r", "r.example", [task("r.0", ports[0])]))
    edge.served_by("r.example", {"r.0"})
    edge.settled()
    saved = Path(edge.settings["state_file"])
    until(lambda: saved.exists() and str(ports[0]) in saved.read_text(), "the state is not saved")
    time.sleep(2.5)  # so that the next change is written at once, and the one after it later
    marathon.put(vhost("/r", "r.example", [task("r.1", ports[1])]))
    edge.served_by("r.example", {"r.1"}, requests=4)
    marathon.put(vhost("/r", "r.example", [task("r.2", ports[2])]))
    marathon.put(vhost("/late", "late.example", [task("r.2", ports[2])]))
    edge.served_by("r.example", {"r.2"}, requests=4)
    edge.serves("late.example")
    edge.stop_router(signal.SIGKILL)
    assert "late.example" not in saved.read_text()
    tasks.stop(ports[0])
    tasks.stop(ports[1])
    with load(edge.http, "r.example", clients=2) as first, load(edge.http, "late.example", clients=2) as second:
        edge.start_router()
        edge.settled()
        assert edge.health()["reloads"] == 0
    assert first.failures + second.failures == []
    edge.served_by("r.example", {"r.2"}, requests=4)


def test_haproxy_killed_and_started_again(edge, marathon, tasks):
    ports = [tasks.start(f"k.{number}") for number in range(3)]
    marathon.put(vhost("/k", "k.example", [task("k.0", ports[0])]))
    edge.served_by("k.example", {"k.0"})
    edge.settled()
    edge.stop_haproxy(signal.SIGKILL)
    marathon.put(vhost("/k", "k.example", [task("k.1", ports[1]), task("k.2", ports[2])]))
    until(lambda: not edge.health()["applied"], "nobody notices that HAProxy is gone")
    edge.start_haproxy()
    edge.served_by("k.example", {"k.1", "k.2"})
    edge.settled()


def test_a_configuration_written_after_run_time_changes_is_the_one_haproxy_restarts_with(edge, marathon, tasks):
    marathon.put(vhost("/k", "k.example", [task("k.0", tasks.start("k.0"))]))
    edge.served_by("k.example", {"k.0"})
    port = tasks.start("k.1")
    marathon.put(vhost("/k", "k.example", [task("k.1", port)]))
    edge.served_by("k.example", {"k.1"}, requests=4)
    until(lambda: f":{port}" in Path(edge.settings["haproxy_config"]).read_text(), "the file does not follow")
    edge.stop_router(signal.SIGKILL)
    edge.stop_haproxy(signal.SIGKILL)
    edge.start_haproxy()
    assert edge.name("k.example") == "k.1"


BROKEN = '{% if "/broken" in layout.maps.apps.values() %}nonsense{% endif %}\n'


@pytest.mark.parametrize("checked", [True, False], ids=["refused by the check", "refused by the process"])
def test_a_broken_reload_keeps_the_old_configuration(make_edge, marathon, tasks, tmp_path, checked):
    template = tmp_path / "haproxy.cfg.j2"
    template.write_text((ROOT / "services/router/haproxy/files/haproxy.cfg.j2").read_text() + BROKEN)
    settings = {"template": str(template)}
    if not checked:
        blind = tmp_path / "haproxy"
        blind.write_text("#!/bin/sh\nexit 0\n")
        blind.chmod(0o755)
        settings["haproxy_binary"] = str(blind)
    edge = make_edge(**settings, reload_seconds=0.2).start()
    marathon.put(vhost("/good", "good.example", [task("g.1", tasks.start("g.1"))]))
    edge.served_by("good.example", {"g.1"})
    edge.settled()
    labels = {"HAPROXY_0_MODE": "tcp", "HAPROXY_0_PORT": str(free_port())}
    with load(edge.http, "good.example", clients=2) as seen:
        marathon.put(app("/broken", [task("b.1", tasks.start("b.1"))], labels=labels))
        until(lambda: edge.health()["failed_reloads"] >= 1, lambda: f"no failed reload: {edge.log[-2000:]}")
        assert edge.health()["last_error"]
        assert not edge.health()["applied"]
        # Instances still change by the command line meanwhile.
        marathon.put(vhost("/good", "good.example", [task("g.2", tasks.start("g.2"))]))
        edge.served_by("good.example", {"g.2"}, requests=4)
        assert "nonsense" not in Path(edge.settings["haproxy_config"]).read_text()
        marathon.remove("/broken")
        edge.settled()
    assert seen.failures == []


def test_an_application_whose_part_is_refused_is_left_out_and_the_others_reload(make_edge, marathon, tasks, tmp_path):
    template = tmp_path / "haproxy.cfg.j2"
    text = (ROOT / "services/router/haproxy/files/haproxy.cfg.j2").read_text()
    line = "    default_backend {{ layout.claims[listener.backend] }}\n"
    assert line in text
    broken = '{% if listener.app == "/broken" %}    nonsense\n{% endif %}'
    template.write_text(text.replace(line, line + broken))
    edge = make_edge(template=str(template), reload_seconds=0.2).start()
    ports = {"/broken": free_port(), "/fine": free_port()}
    for identity, port in ports.items():
        labels = {"HAPROXY_0_MODE": "tcp", "HAPROXY_0_PORT": str(port)}
        marathon.put(app(identity, [task(identity, tasks.start(identity))], labels=labels))
    until(lambda: listens(ports["/fine"]), lambda: f"the other one is not served: {edge.log[-2000:]}")
    edge.settled()
    assert [identity for identity, message in edge.problems() if "nonsense" in message] == ["/broken"]
    assert not listens(ports["/broken"])


def test_wrong_settings_are_all_named_at_once(make_edge):
    edge = make_edge(marathon_endpoint="x", http_port="80", spare_slots=-1)
    with pytest.raises(AssertionError) as failure:
        edge.render_initial()
    for part in ("unknown key 'marathon_endpoint'", "http_port: must be a number", "spare_slots: must not be negative"):
        assert part in str(failure.value)


def test_the_first_configuration_is_written_once(make_edge):
    edge = make_edge()
    edge.render_initial()
    config = Path(edge.settings["haproxy_config"])
    before = config.stat().st_mtime_ns
    edge.render_initial()
    assert config.stat().st_mtime_ns == before
    config.write_text("broken\n")
    edge.render_initial()
    assert config.read_text().startswith("# managed by utopia-router")
