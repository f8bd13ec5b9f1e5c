"""Applications are reached: by host, by path, by default; instances come and go without a reload."""

from __future__ import annotations

import http.client
import json
import socket

import pytest
from router_lab import HOST, app, call, free_port, task, until, vhost

pytestmark = pytest.mark.services


def test_instances_change_without_a_reload(edge, marathon, tasks):
    ports = {name: tasks.start(name) for name in ("a.1", "a.2", "a.3")}
    marathon.put(vhost("/a", "a.example", [task("a.1", ports["a.1"])]))
    edge.serves("a.example")
    before = edge.settled()["reloads"]
    marathon.put(vhost("/a", "a.example", [task(name, port) for name, port in ports.items()]))
    edge.served_by("a.example", {"a.1", "a.2", "a.3"})
    marathon.put(vhost("/a", "a.example", [task("a.3", ports["a.3"])]))
    edge.served_by("a.example", {"a.3"}, requests=5)
    assert edge.settled()["reloads"] == before


def test_applications_come_and_go_without_a_reload(edge, marathon, tasks):
    marathon.put(vhost("/first", "first.example", [task("first.1", tasks.start("first.1"))]))
    edge.serves("first.example")
    before = edge.settled()["reloads"]
    for number in range(3):
        name = f"new-{number}"
        marathon.put(vhost(f"/{name}", f"{name}.example", [task(name, tasks.start(name))]))
        edge.served_by(f"{name}.example", {name})
    marathon.remove("/new-1")
    until(lambda: edge.get("new-1.example").status == 404, "the route of a removed application stays")
    assert edge.name("new-2.example") == "new-2"
    assert edge.settled()["reloads"] == before


def test_pages_of_the_edge(edge, marathon, tasks):
    marathon.put(vhost("/dead", "dead.example", [task("dead.1", 1, alive=False)]))
    assert edge.get("nobody.example").status == 404
    marathon.put(app("/path/only", [task("p.1", tasks.start("p.1"))]))
    edge.serves("nobody.example", "/path/only/x")
    assert edge.get("nobody.example", "/path/onlyx").status == 404
    assert "<script>" not in edge.get("<script>", "/<script>").text
    answer = edge.get("dead.example")
    assert (answer.status, answer.headers["retry-after"]) == (503, "2")
    assert "<b>/dead</b>" in answer.text
    assert "Request " in answer.text


def test_a_task_that_refuses_is_a_page_that_says_which_application(edge, marathon):
    marathon.put(vhost("/refuses", "refuses.example", [task("refuses.1", free_port())]))
    answer = until(
        lambda: found if (found := edge.get("refuses.example")).status != 404 else None, "the route does not come"
    )
    assert answer.status == 503
    assert "<b>/refuses</b>" in answer.text
    assert "Request " in answer.text


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("killing", {"state": "TASK_KILLING"}),
        ("unhealthy", {"healthCheckResults": [{"alive": False}]}),
        ("unknown health", {"healthCheckResults": []}),
        ("staging", {"state": "TASK_STAGING"}),
    ],
)
def test_a_task_that_must_not_serve_is_taken_out(edge, marathon, tasks, name, change):
    good, bad = task("good", tasks.start("good")), task("bad", tasks.start("bad"))
    marathon.put(vhost("/x", "x.example", [good, bad]))
    edge.served_by("x.example", {"good", "bad"})
    marathon.put(vhost("/x", "x.example", [good, {**bad, **change}]))
    edge.served_by("x.example", {"good"}, requests=6)
    marathon.put(vhost("/x", "x.example", [good, bad]))
    edge.served_by("x.example", {"good", "bad"})


def test_only_ready_tasks_serve_during_a_deployment(edge, marathon, tasks):
    """Readiness results come without an event: the router asks for them."""
    document = vhost("/r", "r.example", [task("r.1", tasks.start("r.1")), task("r.2", tasks.start("r.2"))])
    document |= {"readinessChecks": [{"path": "/ready"}], "deployments": [{"id": "d"}]}
    marathon.put({**document, "readinessCheckResults": [{"taskId": "r.1", "ready": True}]})
    edge.served_by("r.example", {"r.1"}, requests=4)
    ready = [{"taskId": "r.1", "ready": True}, {"taskId": "r.2", "ready": True}]
    marathon.apps["/r"] = {**document, "readinessCheckResults": ready}
    edge.served_by("r.example", {"r.1", "r.2"})


def test_a_task_without_health_checks_serves_when_it_accepts_connections(edge, marathon, tasks):
    port = free_port()
    marathon.put({**vhost("/late", "late.example", [task("late.1", port, alive=None)]), "healthChecks": []})
    until(lambda: edge.get("late.example").status == 503, "the route does not come")
    tasks.start("late.1", port)
    edge.served_by("late.example", {"late.1"})


def test_labels(edge, marathon, tasks):
    documents = [
        vhost("/w", "w.example,www.w.example", [task("w", tasks.start("w"))]),
        vhost("/w/api", "w.example", [task("api", tasks.start("api"))], HAPROXY_0_PATH="/api"),
    ]
    for document in documents:
        marathon.put(document)
    edge.served_by("w.example", {"api"}, "/api/x")
    edge.served_by("w.example", {"w"}, "/other")
    edge.served_by("www.w.example", {"w"})
    assert edge.name("W.Example.:80") == "w"
    marathon.put(vhost("/two", "two.example", [task("two", tasks.start("one"), tasks.start("two"))]))
    edge.served_by("two.example", {"one"})
    second = app("/two", marathon.apps["/two"]["tasks"], labels={"HAPROXY_1_VHOST": "two.example"})
    marathon.put(second)
    edge.served_by("two.example", {"two"})


@pytest.mark.parametrize("order", [("/deep", "/deep/er"), ("/deep/er", "/deep")], ids=["short first", "long first"])
def test_the_longest_path_wins(edge, marathon, tasks, order):
    """Also when it came by the command line, before or after the shorter one."""
    for identity in order:
        marathon.put(app(identity, [task(identity, tasks.start(identity))]))
        edge.serves("any.example", identity)
    edge.served_by("any.example", {"/deep"}, "/deep/x")
    edge.served_by("any.example", {"/deep/er"}, "/deep/er/x")
    assert edge.name("any.example", "/Deep/ER") == "/deep/er"


def test_sticky_clients_stay_and_leave_a_server_that_goes(edge, marathon, tasks):
    members = [task(name, tasks.start(name)) for name in ("s.1", "s.2", "s.3")]
    marathon.put(vhost("/s", "s.example", members, HAPROXY_0_STICKY="true"))
    edge.serves("s.example")
    first = edge.get("s.example")
    cookie = first.headers["set-cookie"].partition(";")[0]
    name = first.json()["name"]
    assert {edge.get("s.example", headers={"Cookie": cookie}).json()["name"] for _ in range(6)} == {name}
    left = [member for member in members if member["id"] != name]
    marathon.put(vhost("/s", "s.example", left, HAPROXY_0_STICKY="true"))
    until(
        lambda: edge.get("s.example", headers={"Cookie": cookie}).json()["name"] != name,
        "the client stays at a server that goes",
    )


def test_what_the_application_is_told_about_the_request(edge, marathon, tasks):
    marathon.put(vhost("/h", "h.example", [task("h", tasks.start("h"))]))
    edge.serves("h.example")
    told = edge.get("h.example", headers={"X-Request-ID": "forged", "X-Forwarded-Proto": "https"}).json()["headers"]
    assert told["x-forwarded-proto"] == "http"
    assert told["x-request-id"] != "forged"
    assert told["x-forwarded-for"] == HOST
    assert edge.get("h.example", method="POST", body="hello").text == "hello"


def test_websockets(edge, marathon, tasks):
    marathon.put(vhost("/ws", "ws.example", [task("ws", tasks.start("ws"))]))
    edge.serves("ws.example")
    with socket.create_connection((HOST, edge.http), 5) as connection:
        connection.sendall(
            b"GET / HTTP/1.1\r\nHost: ws.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert b" 101 " in connection.recv(4096)
        connection.sendall(b"ping")
        assert connection.recv(4096) == b"ws:ping"


def test_tcp_services(edge, marathon, tasks):
    port, other = free_port(), free_port()
    by_label = {"HAPROXY_0_MODE": "tcp", "HAPROXY_0_PORT": str(port)}
    marathon.put(app("/tcp/label", [task("t", tasks.start("t"))], labels=by_label))
    until(lambda: served(port) == "t", "the TCP service does not answer")
    by_env = {"BAMBOO_TCP_PORT": str(other), "SECRET": {"secret": "x"}}
    marathon.put(app("/tcp/env", [task("e", tasks.start("e"))], env=by_env))
    until(lambda: served(other) == "e", "the TCP service does not answer")
    marathon.remove("/tcp/env")
    until(lambda: served(other) is None, "the TCP service is still there")
    assert served(port) == "t"


def test_an_http_service_with_a_port_of_its_own(edge, marathon, tasks):
    port = free_port()
    marathon.put(vhost("/own", "own.example", [task("o", tasks.start("o"))], HAPROXY_0_PORT=str(port)))
    until(lambda: served(port) == "o", "the port does not answer")
    edge.served_by("own.example", {"o"})
    marathon.put(vhost("/own", "own.example", [task("o", 1, alive=False)], HAPROXY_0_PORT=str(port)))
    answer = until(lambda: found if (found := call(port)).status == 503 else None, "the task is still served")
    assert "<b>/own</b>" in answer.text


def test_a_port_that_something_else_holds_stops_nobody(edge, marathon, tasks):
    with socket.create_server((HOST, 0)) as holder:
        port = holder.getsockname()[1]
        labels = {"HAPROXY_0_MODE": "tcp", "HAPROXY_0_PORT": str(port)}
        marathon.put(app("/greedy", [task("g", tasks.start("g"))], labels=labels))
        marathon.put(vhost("/fine", "fine.example", [task("f", tasks.start("f"))]))
        edge.served_by("fine.example", {"f"})
        until(
            lambda: ("/greedy", f"port {port}: Address already in use") in edge.problems(),
            lambda: f"no such problem: {edge.problems()}\n{edge.log[-2000:]}",
        )
        assert edge.settled()["failed_reloads"] == 0


def test_statistics_are_for_who_may_see_them(make_edge, tmp_path):
    login = tmp_path / "login"
    login.write_text("admin:secret-1\n")
    edge = make_edge(stats_credentials_file=str(login)).start()
    assert call(edge.stats, "/haproxy_stats").status == 401
    assert call(edge.stats, "/haproxy_stats", login="admin:secret-1").status == 200
    assert "haproxy_process_start_time_seconds" in call(edge.stats, "/metrics").text
    assert edge.get("any.example", "/haproxy_stats").status == 404


def test_access_log_is_a_line_of_json(make_edge, marathon, tasks):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as syslog:
        syslog.bind((HOST, 0))
        syslog.settimeout(5)
        edge = make_edge(syslog_address=f"{HOST}:{syslog.getsockname()[1]}").start()
        marathon.put(vhost("/l", "l.example", [task("l", tasks.start("l"))]))
        edge.serves("l.example")
        edge.get("l.example", '/a"b?c=%22')
        while '"st":200' not in (line := syslog.recv(8192).decode()) or "?c=" not in line:
            pass
    found = json.loads(line[line.index("{") :])
    assert (found["host"], found["uri"], found["app"]) == ("l.example", '/a"b?c=%22', "/l")
    assert len(found["id"]) == 36


def served(port: int) -> str | None:
    try:
        return str(call(port).json()["name"])
    except (OSError, ValueError, http.client.HTTPException):
        return None
