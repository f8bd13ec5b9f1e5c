"""What the exporter makes of the answers of other programs."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.exporter.figures import Figures, flat
from services.exporter.program import output
from services.exporter.server import gather
from services.exporter.settings import Endpoint, SettingsError, load
from services.exporter.sources import elasticsearch, host, log_index, log_shipper, snapshots, zookeeper
from services.exporter.sources.containers import Totals, Usage, _tell, app_of, of_docker


def told(figures: Figures) -> dict[tuple[str, str], float]:
    """(name, first label's value) -> value."""
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(figures.text().decode())
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("task", "app"),
    [
        ("hello.instance-0a1b._app.1", "/hello"),
        ("shop_cart_api.instance-0a1b._app.12", "/shop/cart/api"),
        ("job-of-another-framework", "job-of-another-framework"),
    ],
)
def test_the_application_of_a_task(task: str, app: str) -> None:
    assert app_of(task) == app


def usage(app: str, cpu: float, memory: float = 50, limit: float = 100) -> Usage:
    return Usage(app, memory, limit, {"cpu_seconds": cpu, "periods": 0, "throttled_periods": 0, "throttled_seconds": 0})


def test_totals_of_an_application_go_on_when_its_containers_change() -> None:
    totals, figures = Totals(), Figures()
    totals.add({"a": usage("/x", 10)})
    totals.add({"a": usage("/x", 12), "b": usage("/x", 1)})
    totals.add({"b": usage("/x", 4), "c": usage("/x", 0.5, memory=90)})
    _tell(figures, totals, [usage("/x", 4), usage("/x", 0.5, memory=90)])
    found = told(figures)
    assert found["utopia_app_cpu_seconds_total", "/x"] == 10 + 2 + 1 + 3 + 0.5
    assert found["utopia_app_started_total", "/x"] == 2, "what ran when we came was not started since"
    assert found["utopia_app_memory_share", "/x"] == 0.9
    assert found["utopia_app_instances", "/x"] == 2


def test_an_application_that_is_gone_is_forgotten_after_a_while() -> None:
    totals = Totals()
    totals.add({"a": usage("/x", 10)})
    for _ in range(240):
        totals.add({})
    assert "/x" in totals.apps
    totals.add({})
    assert totals.apps == {}


def test_docker_counts_no_idle_cache_and_no_limit_that_is_none() -> None:
    stats = {
        "memory_stats": {"usage": 100, "limit": 9223372036854771712, "stats": {"total_inactive_file": 40}},
        "cpu_stats": {
            "cpu_usage": {"total_usage": 5e9},
            "throttling_data": {"periods": 9, "throttled_periods": 3, "throttled_time": 2e9},
        },
    }
    found = of_docker("/x", stats)
    assert (found.memory, found.memory_limit) == (60, 0)
    assert found.counters == {"cpu_seconds": 5, "periods": 9, "throttled_periods": 3, "throttled_seconds": 2}
    assert of_docker("/x", {}).counters["cpu_seconds"] == 0, "it ended while it was asked"


def test_zookeeper() -> None:
    figures = Figures()
    zookeeper.parse(figures, "zk_version\t3.8\nzk_server_state\tleader\nzk_synced_followers\t2.0\n")
    found = told(figures)
    assert found["zookeeper_server_state", "leader"] == 1
    assert found["zookeeper_server_state", "follower"] == 0
    assert found["zookeeper_synced_followers", ""] == 2
    with pytest.raises(ValueError, match="not currently serving"):
        zookeeper.parse(Figures(), "This ZooKeeper instance is not currently serving requests\n")


@pytest.mark.parametrize(
    ("disk", "closed"),
    [
        ({"status": "red", "details": {"indices_with_readonly_block": 2}}, 2),
        ({"status": "unknown"}, 0),  # no master, nobody knows
    ],
)
def test_indices_that_a_full_disk_closed(disk: dict[str, Any], closed: int) -> None:
    figures = Figures()
    elasticsearch.parse(figures, {"indicators": {"disk": disk}})
    assert told(figures)["elasticsearch_indices_readonly", ""] == closed


def test_the_newest_whole_snapshot_is_asked_for_once_in_a_while(monkeypatch) -> None:
    asked = []

    async def answer(endpoint: Endpoint, path: str) -> Any:
        asked.append(endpoint.url + path)
        states = {5_000: "SUCCESS", 7_000: "PARTIAL", 6_000: "SUCCESS", 9_000: "IN_PROGRESS"}
        return {"snapshots": [{"state": state, "start_time_in_millis": at} for at, state in states.items()]}

    monkeypatch.setattr(snapshots.client, "get_json", answer)
    source, figures = snapshots.Snapshots(), Figures()
    for _ in range(3):
        asyncio.run(source.collect(figures, Endpoint("https://es/_snapshot/utopia")))
    assert told(figures)["elasticsearch_snapshot_taken_seconds", ""] == 6
    assert len(asked) == 1
    assert asked[0].startswith("https://es/_snapshot/utopia/*?")
    assert snapshots.newest({"snapshots": []}) == 0


def test_the_log_index() -> None:
    last = {"sort": [60_500]}
    answer = {"aggregations": {"nodes": {"buckets": [{"key": "agent-1", "last": {"hits": {"hits": [last]}}}]}}}
    figures = Figures()
    log_index.parse(figures, answer)
    found = told(figures)
    assert found["utopia_log_canary_found_seconds", "agent-1"] == 60.5
    log_index.parse(Figures(), {"hits": {}})


def test_the_log_shipper(tmp_path) -> None:
    program = tmp_path / "report"
    program.write_text('#!/bin/sh\necho \'{"canary":true,"waiting":4,"lost":2,"refused":1}\'\n')
    program.chmod(0o755)
    figures = Figures()
    asyncio.run(log_shipper.collect(figures, str(program)))
    assert told(figures) == {
        ("utopia_log_lines_waiting", ""): 4,
        ("utopia_log_lines_lost_total", ""): 2,
        ("utopia_log_lines_refused_total", ""): 1,
    }


def test_a_program_that_hangs_is_ended(tmp_path) -> None:
    program = tmp_path / "hangs"
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    program.chmod(0o755)
    with pytest.raises(TimeoutError):
        asyncio.run(output(str(program), seconds=0.5))
    assert not (Path("/proc") / (tmp_path / "pid").read_text().strip()).exists()


@pytest.mark.parametrize("said", ["", "nothing", '{"waiting":4}'])
def test_a_log_shipper_that_says_nothing(tmp_path, said) -> None:
    program = tmp_path / "report"
    program.write_text(f"#!/bin/sh\necho '{said}'\n")
    program.chmod(0o755)
    with pytest.raises((ValueError, KeyError)):
        asyncio.run(log_shipper.collect(Figures(), str(program)))


@pytest.mark.parametrize(
    ("addresses", "right"),
    [(["10.0.0.1"], 1), (["127.0.1.1"], 0), (["10.0.0.1", "127.0.1.1"], 0), ([], 0)],
)
def test_where_the_own_name_leads(monkeypatch, addresses: list[str], right: int) -> None:
    async def look_up(*_: object, **__: object) -> list[Any]:
        if not addresses:
            raise socket.gaierror("Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]

    async def ask(figures: Figures) -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
        await host.own_name(figures, "10.0.0.1")

    figures = Figures()
    asyncio.run(ask(figures))
    assert told(figures)["utopia_own_name_right", ""] == right


def test_services_that_wait_for_a_restart(tmp_path) -> None:
    (tmp_path / "zookeeper").write_text("")
    figures = Figures()
    host.markers(figures, str(tmp_path))
    found = told(figures)
    assert found["utopia_restarts_due", ""] == 1
    assert 0 <= found["utopia_restart_due_seconds", "zookeeper"] < 60


def test_a_part_that_does_not_answer_costs_no_other_part_its_figures() -> None:
    async def good(figures: Figures) -> None:
        figures.gauge("good", "x", 1)

    async def bad(figures: Figures) -> None:
        figures.gauge("half", "x", 1)
        raise OSError("refuses connections")

    found = told(asyncio.run(gather({"good": good, "bad": bad})))
    assert found["good", ""] == 1
    assert ("half", "") not in found
    assert (found["utopia_part_up", "good"], found["utopia_part_up", "bad"]) == (1, 0)


def test_names() -> None:
    assert flat("master/slaves_active") == "master_slaves_active"


def test_settings(tmp_path) -> None:
    path = tmp_path / "config.json"
    document = {"bind": "127.0.0.1:9105", "certificate": "c", "key": "k", "login_file": "l"}
    path.write_text(json.dumps(document | {"relays": {"node": {"url": "http://127.0.0.1:9100/metrics"}}}))
    settings = load(path)
    assert settings.address == ("127.0.0.1", 9105)
    assert settings.relays == {"node": Endpoint("http://127.0.0.1:9100/metrics")}
    path.write_text(json.dumps(document | {"binds": ""}))
    with pytest.raises(SettingsError, match="binds"):
        load(path)
