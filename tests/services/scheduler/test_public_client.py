"""The public client of Marathon's API, as existing scripts use it: every call that it has, against real Mesos."""

from __future__ import annotations

import collections
import collections.abc
import inspect
import itertools
import threading
from typing import Any

import pytest
from waiting import eventually

collections.Iterable = collections.abc.Iterable  # type: ignore[attr-defined]  # the client was written for Python < 3.10

from marathon import MarathonClient, MarathonHttpError, NotFoundError  # noqa: E402
from marathon.exceptions import ConflictError  # noqa: E402
from marathon.models import MarathonApp, MarathonGroup  # noqa: E402
from marathon.models.app import MarathonUpgradeStrategy  # noqa: E402

GROUP = "/client"
DRIVEN: set[str] = set()


@pytest.fixture(scope="module")
def client(schedulers: Any) -> Any:
    """Notes which calls were made."""
    leader = schedulers.leader
    real = MarathonClient(
        [each.url for each in schedulers.members], username=leader.login[0], password=leader.login[1], timeout=20
    )

    class Noting:
        def __getattr__(self, name: str) -> Any:
            DRIVEN.add(name)
            return getattr(real, name)

    return Noting()


def sleeper(**fields: Any) -> MarathonApp:
    strategy = MarathonUpgradeStrategy(minimum_health_capacity=0, maximum_over_capacity=0)
    return MarathonApp(**({"cmd": "sleep 3600", "cpus": 0.1, "mem": 32, "upgrade_strategy": strategy} | fields))


def settled(client: Any) -> None:
    eventually(lambda: client.list_deployments() == [], 60, "deployments go on")


def test_applications(client: Any) -> None:
    app = client.create_app(f"{GROUP}/one", sleeper(instances=2, labels={"tier": "web"}))
    assert app.id == f"{GROUP}/one"
    settled(client)
    shown = client.get_app(
        f"{GROUP}/one",
        embed_tasks=True,
        embed_counts=True,
        embed_deployments=True,
        embed_readiness=True,
        embed_last_task_failure=True,
        embed_failures=True,
        embed_task_stats=True,
    )
    assert (shown.instances, shown.tasks_running, len(shown.tasks)) == (2, 2, 2)
    assert shown.task_stats.total_summary.stats.counts.running == 2
    assert [each.id for each in client.list_apps(label="tier==web", embed_tasks=True)] == [f"{GROUP}/one"]
    assert [each.id for each in client.list_apps(app_id="client/o", cmd="SLEEP")] == [f"{GROUP}/one"]
    with pytest.raises(ConflictError):
        client.create_app(f"{GROUP}/one", sleeper())
    with pytest.raises(NotFoundError):
        client.get_app("/nowhere")
    with pytest.raises(MarathonHttpError):
        client.create_app(f"{GROUP}/bad", sleeper(cpus=-1))


def test_changes(client: Any) -> None:
    client.scale_app(f"{GROUP}/one", instances=3)
    settled(client)
    client.scale_app(f"{GROUP}/one", delta=-1)
    settled(client)
    assert client.get_app(f"{GROUP}/one").instances == 2
    client.update_app(f"{GROUP}/one", MarathonApp(labels={"tier": "db"}))
    settled(client)
    assert client.get_app(f"{GROUP}/one").labels == {"tier": "db"}
    client.update_apps(
        [
            MarathonApp(id=f"{GROUP}/one", instances=1),
            MarathonApp(id=f"{GROUP}/two", cmd="sleep 9999", cpus=0.1, mem=32),
        ]
    )
    settled(client)
    versions = client.list_versions(f"{GROUP}/one")
    assert len(versions) == 5
    assert client.get_version(f"{GROUP}/one", versions[-1]).instances == 2
    client.rollback_app(f"{GROUP}/one", versions[-1])
    settled(client)
    assert client.get_app(f"{GROUP}/one").labels == {"tier": "web"}
    before = {each.id for each in client.list_tasks(f"{GROUP}/one")}
    client.restart_app(f"{GROUP}/one")
    settled(client)
    assert not before & {each.id for each in client.list_tasks(f"{GROUP}/one")}


def test_tasks(client: Any) -> None:
    everything = client.list_tasks()
    assert {each.app_id for each in everything} == {f"{GROUP}/one", f"{GROUP}/two"}
    assert client.list_endpoints() is not None
    first = client.list_tasks(f"{GROUP}/one")[0]
    assert client.kill_task(f"{GROUP}/one", first.id).id == first.id
    eventually(lambda: _others(client, {first.id}, 2), 30, "another task runs")
    killed = client.kill_tasks(f"{GROUP}/one", host="127.0.0.1")
    assert len(killed) == 2
    eventually(lambda: _others(client, {each.id for each in killed}, 2), 30, "others run")
    task = client.list_tasks(f"{GROUP}/one")[0]
    assert client.kill_given_tasks([task.id], scale=True) is True
    settled(client)
    assert client.get_app(f"{GROUP}/one").instances == 1


def _others(client: Any, gone: set[str], number: int) -> bool:
    tasks = client.list_tasks(f"{GROUP}/one")
    return len(tasks) == number and not gone & {each.id for each in tasks} and all(each.started_at for each in tasks)


def test_deployments_and_queue(client: Any) -> None:
    for force in (False, True):
        answer = client.update_app(f"{GROUP}/two", MarathonApp(cpus=1000))
        (deployment,) = client.list_deployments()
        assert deployment.id == answer["deploymentId"]
        assert deployment.affected_apps == [f"{GROUP}/two"]
        items = eventually(lambda: client.list_queue(embed_last_unused_offers=True), 20, "nothing waits")
        assert items[0].app.id == f"{GROUP}/two"
        client.reset_delay(f"{GROUP}/two")
        client.delete_deployment(deployment.id, force=force)
        settled(client)
    assert client.get_app(f"{GROUP}/two").cpus == 1000
    client.update_app(f"{GROUP}/two", MarathonApp(cpus=0.1), force=True)
    settled(client)


def test_groups(client: Any) -> None:
    assert client.create_group(MarathonGroup(id=f"{GROUP}/inner", apps=[sleeper(id="a")]))["deploymentId"]
    settled(client)
    assert [each.id for each in client.get_group(f"{GROUP}/inner").apps] == [f"{GROUP}/inner/a"]
    assert [each.id for each in client.list_groups()] == [GROUP]
    first = client.get_group("/").version
    client.scale_group(f"{GROUP}/inner", 2)
    settled(client)
    assert client.get_app(f"{GROUP}/inner/a").instances == 2
    client.update_group(f"{GROUP}/inner", MarathonGroup(apps=[sleeper(id="b", instances=0)]))
    settled(client)
    assert [each.id for each in client.get_group(f"{GROUP}/inner").apps] == [f"{GROUP}/inner/b"]
    # The client sends no document to /versions/…, which Marathon refuses as well.
    with pytest.raises(MarathonHttpError) as refusal:
        client.rollback_group(f"{GROUP}/inner", first)
    assert refusal.value.status_code == 400
    client.delete_group(f"{GROUP}/inner")
    settled(client)
    with pytest.raises(NotFoundError):
        client.get_group(f"{GROUP}/inner")


def test_events(client: Any) -> None:
    seen: list[Any] = []
    stream = client.event_stream(event_types=["deployment_success", "event_stream_attached"])
    reader = threading.Thread(target=lambda: seen.extend(itertools.islice(stream, 2)), daemon=True)
    reader.start()
    eventually(lambda: client.list_deployments() == [], 10, "deployments go on")
    answer = eventually(lambda: _change_until_seen(client, seen), 30, "no event came")
    assert answer
    assert "MarathonDeploymentSuccess" in {type(each).__name__ for each in seen}


def _change_until_seen(client: Any, seen: list[Any]) -> bool:
    client.scale_app(f"{GROUP}/two", delta=1 if client.get_app(f"{GROUP}/two").instances < 2 else -1)
    settled(client)
    return len(seen) == 2


def test_the_scheduler_itself(client: Any, schedulers: Any) -> None:
    info = client.get_info()
    assert (info.name, info.elected) == ("utopia-scheduler", True)
    assert info.leader == schedulers.leader.address
    assert client.get_leader() == {"leader": info.leader}
    assert client.ping() == b"pong"
    assert client.get_metrics()["gauges"]["marathon.uptime.gauge.seconds"]["value"] > 0  # of any of them
    assert schedulers.leader.get("/metrics")["gauges"]["marathon.apps.active.gauge"]["value"] == 2


@pytest.mark.parametrize("call", ["list_event_subscriptions", "create_event_subscription", "delete_event_subscription"])
def test_subscriptions_by_callback_are_gone(client: Any, call: str) -> None:
    arguments = [] if call.startswith("list") else ["http://127.0.0.1/callback"]
    with pytest.raises(NotFoundError, match=r"removed in Marathon 1\.5"):
        getattr(client, call)(*arguments)


def test_the_end(client: Any) -> None:
    client.delete_app(f"{GROUP}/one")
    client.delete_app(f"{GROUP}/two", force=True)
    settled(client)
    assert client.delete_leader() == {"message": "Leadership abdicated"}


def test_every_call_was_driven() -> None:
    calls = {name for name, _ in inspect.getmembers(MarathonClient, inspect.isfunction) if not name.startswith("_")}
    assert calls - DRIVEN == set()
