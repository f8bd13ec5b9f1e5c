"""Bamboo's rules: its HTTP API, its layout in ZooKeeper, several edges, and rules that are wrong."""

from __future__ import annotations

import contextlib
import json
from urllib.parse import quote

import pytest
from kazoo.client import KazooClient
from kazoo.security import make_digest_acl
from router_lab import app, load, task, until, vhost

pytestmark = pytest.mark.services


@pytest.fixture
def path(request):
    return f"/{request.node.name}/marathon-haproxy/state"


@pytest.fixture
def edge(make_edge, zookeeper, path):
    started = make_edge(zookeeper_hosts=[zookeeper.address], zookeeper_path=path).start()
    until(lambda: started.health()["zookeeper"]["connected"], "no session with ZooKeeper")
    return started


@pytest.fixture
def tree(zookeeper):
    with session(zookeeper) as client:
        yield client


@contextlib.contextmanager
def session(zookeeper, **more):
    client = KazooClient(zookeeper.address, **more)
    client.start(15)
    yield client
    client.stop()
    client.close()


def rule(identity, acl):
    return {"id": identity, "acl": acl}


def test_the_calls_of_bamboos_api(edge, tree, path):
    answer = edge.ask("/api/services", "POST", body={"ID": "team/app", "Acl": "hdr(host) -i app.example"})
    stored = {"Id": "/team/app", "Acl": "hdr(host) -i app.example", "Config": {"Acl": "hdr(host) -i app.example"}}
    assert (answer.status, answer.json()) == (200, stored)
    assert edge.ask("/api/services").json() == {"/team/app": stored}
    data, _ = tree.get(f"{path}/%2Fteam%2Fapp")
    assert json.loads(data) == {"version": "2", "config": {"Acl": "hdr(host) -i app.example"}}
    answer = edge.ask("/api/services/ignored", "PUT", body=rule("/team/app", "hdr(host) -i other.example"))
    assert (answer.status, answer.json()["Acl"]) == (200, "hdr(host) -i other.example")
    assert edge.ask("/api/services/team/app", "DELETE").json() == {}
    answer = edge.ask(f"/api/services/{quote('/team/app', safe='')}", "DELETE")
    assert (answer.status, answer.text) == (400, "zk: node does not exist")
    assert edge.ask("/api/services").json() == {}
    assert edge.ask("/status").text == "OK"


REFUSED = (
    ("{", "Unable to decode JSON request"),
    ("[]", "Unable to decode JSON request"),
    ({"id": 1}, "Unable to decode JSON request"),
    ({"id": "/a", "config": {"Acl": 1}}, "Unable to decode JSON request"),
    ({"acl": "hdr(host) -i a"}, "can not use empty ID"),
    (rule("/a", "hdr(host) -i a\n    http-request deny"), "a rule is one line"),
    (rule("/a", "always_true"), "always_true is not allowed"),
    (rule("/a", "path_beg /"), "it would take the requests of all hosts"),
    (rule("/a", "hdr(host) -i a or b"), "a rule is one criterion"),
    (rule("/a", "path_reg ^/(a"), "is not a regular expression"),
    (rule("/a", "src 300.1.1.1"), "it would take the requests of all hosts"),
    (rule("/a", "path_reg ^/x(?P<"), "not allowed in a rule: <"),
    (rule("/a", "path_reg ^/x(?:a)(?i:b)(?(1)c)"), ""),
)


def test_what_is_refused(edge):
    for body, text in REFUSED:
        answer = edge.ask("/api/services", "POST", body=body)
        assert (answer.status, text in answer.text) == (400, True), (body, answer.text)
    assert edge.ask("/api/services").json() == {}


def test_state_is_what_bamboos_template_gets(edge, marathon):
    marathon.put(app("/team/app", [task("t.1", 4711, 4712)], env={"A": "b", "S": {"secret": "s"}}))
    found = until(lambda: edge.ask("/api/state").json()["Apps"], "no applications")[0]
    assert found["Tasks"] == [
        {
            **{"Id": "t.1", "Host": "127.0.0.1", "Port": 4711, "Ports": [4711, 4712]},
            **{"Alive": True, "State": "TASK_RUNNING", "Ready": True},
        }
    ]
    assert {key: found[key] for key in ("Id", "MesosDnsId", "EscapedId", "SplitId", "HealthCheckPath", "Env")} == {
        **{"Id": "/team/app", "MesosDnsId": "app-team", "EscapedId": "::team::app", "SplitId": ["team", "app"]},
        **{"HealthCheckPath": "/", "Env": {"A": "b"}},
    }


def test_rules_route_on_every_edge(edge, make_edge, zookeeper, marathon, tasks, path):
    other = make_edge(zookeeper_hosts=[zookeeper.address], zookeeper_path=path).start()
    marathon.put(app("/a", [task("a.1", tasks.start("a.1"))]))
    marathon.put(app("/b", [task("b.1", tasks.start("b.1"))]))
    for each in (edge, other):
        each.served_by("x.example", {"a.1"}, "/a/")
    assert edge.ask("/api/services", "POST", body=rule("/a", "hdr(host) -i a.example")).status == 200
    assert other.ask("/api/services", "POST", body=rule("/b", "hdr_beg(host) -i b.")).status == 200
    for each in (edge, other):
        each.served_by("a.example", {"a.1"})
        each.served_by("b.anything.example", {"b.1"})
        assert each.get("x.example", "/a/").status == 404  # who has a rule has no default
    assert edge.ask("/api/services", "POST", body=rule("/a", "hdr(host) -i new.example")).status == 200
    for each in (edge, other):
        each.served_by("new.example", {"a.1"})
    assert edge.ask("/api/services/a", "DELETE").status == 200
    for each in (edge, other):
        each.served_by("x.example", {"a.1"}, "/a/")


def test_a_change_touches_the_parent_for_bamboos_own_instances(edge, tree, path):
    edge.ask("/api/services", "POST", body=rule("/a", "hdr(host) -i a.example"))
    before = tree.exists(path).version
    edge.ask("/api/services", "POST", body=rule("/a", "hdr(host) -i b.example"))
    assert tree.exists(path).version == before + 1


def test_rules_that_others_wrote_and_broken_ones_among_them(edge, tree, marathon, tasks, path):
    for name in ("old", "new", "fine", "evil", "odd"):
        marathon.put(app(f"/{name}", [task(name, tasks.start(name))]))
    edge.serves("x.example", "/fine/")
    with load(edge.http, "x.example", clients=1, path="/fine/") as seen:
        tree.create(f"{path}/%2Fold", b"hdr(host) -i old.example")
        tree.create(f"{path}/%2Fnew", b'{"version":"2","config":{"Acl":"hdr(host) -i new.example"}}')
        tree.create(f"{path}/%2Fevil", b"hdr(host) -i x\n    http-request deny")
        tree.create(f"{path}/%2Fodd", b"src 300.1.1.1")
        tree.create(f"{path}/%2Fnobody", b"hdr(host) -i nobody.example")
        edge.served_by("old.example", {"old"})
        edge.served_by("new.example", {"new"})
        problems = until(lambda: found if len(found := dict(edge.problems())) == 3 else None, edge.problems)
        edge.settled()
    assert seen.failures == []
    assert set(problems) == {"/evil", "/odd", "/nobody"}
    assert problems["/nobody"] == "there is no such application"
    tree.set(f"{path}/%2Fevil", b"hdr(host) -i evil.example")
    edge.served_by("evil.example", {"evil"})


def test_a_host_belongs_to_one_application(edge, marathon, tasks):
    marathon.put(vhost("/a", "a.example", [task("a", tasks.start("a"))]))
    marathon.put(app("/b", [task("b", tasks.start("b"))]))
    edge.serves("a.example")
    answer = edge.ask("/api/services", "POST", body=rule("/b", "hdr(host) -i a.example"))
    assert (answer.status, answer.text) == (400, "a.example belongs to /a")


def test_zookeeper_away_and_back(make_edge, mortal_zookeeper, marathon, tasks, path):
    zookeeper = mortal_zookeeper
    edge = make_edge(zookeeper_hosts=[zookeeper.address], zookeeper_path=path).start()
    until(lambda: edge.health()["zookeeper"]["connected"], "no session with ZooKeeper")
    marathon.put(app("/a", [task("a", tasks.start("a"))]))
    edge.ask("/api/services", "POST", body=rule("/a", "hdr(host) -i a.example"))
    edge.served_by("a.example", {"a"})
    zookeeper.stop()
    until(lambda: not edge.health()["zookeeper"]["connected"], "the router does not notice")
    assert edge.ask("/api/services", "POST", body=rule("/a", "hdr(host) -i b.example")).status == 400
    assert edge.name("a.example") == "a"
    zookeeper.start()
    with session(zookeeper) as tree:
        tree.set(f"{path}/%2Fa", b"hdr(host) -i back.example")
    until(lambda: edge.get("back.example").status == 200, lambda: edge.log[-2000:], 30)


def test_with_credentials_nobody_else_may_change_rules(make_edge, zookeeper, tmp_path, path):
    login = tmp_path / "zookeeper-login"
    login.write_text("router:secret\n")
    settings = {"zookeeper_hosts": [zookeeper.address], "zookeeper_path": path}
    edge = make_edge(**settings, zookeeper_credentials_file=str(login)).start()
    until(lambda: edge.health()["zookeeper"]["connected"], "no session")
    assert edge.ask("/api/services", "POST", body=rule("/a", "hdr(host) -i a.example")).status == 200
    with session(zookeeper, auth_data=[("digest", "router:secret")]) as tree:
        found = tree.get_acls(f"{path}/%2Fa")[0]
    assert found == [make_digest_acl("router", "secret", all=True)]


def test_the_api_asks_for_a_login_but_for_probes(make_edge, tmp_path):
    logins = tmp_path / "logins"
    logins.write_text("admin:secret\nci:other\n")
    edge = make_edge(api_credentials_file=str(logins)).start()
    assert edge.ask("/status").text == "OK"
    assert "utopia_router_applied" in edge.ask("/metrics").text
    for path in ("/api/services", "/api/state", "/healthz"):
        assert edge.ask(path).status == 401
        assert edge.ask(path, login="admin:wrong").status == 401
    assert edge.ask("/api/services", login="ci:other").status == 200
