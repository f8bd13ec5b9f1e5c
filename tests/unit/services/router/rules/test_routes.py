"""Routes of applications, rules and labels: who comes first, and what is wrong."""

from __future__ import annotations

import pytest

from services.router import settings
from services.router.haproxy.model import Server
from services.router.marathon import view
from services.router.rules import routes
from services.router.rules.codec import Rule

SETTINGS = settings.parse({"marathon_endpoints": ["http://m"]})


def app(identity, labels=None, env=None, ports=(10001, 10002)):
    tasks = [{"id": f"{identity}.t", "host": "10.0.0.1", "ports": [31000, 31001]}]
    document = {"id": identity, "labels": labels or {}, "env": env or {}, "ports": list(ports), "tasks": tasks}
    return view.app(view.trimmed(document))


def servers(one, index):
    ends = [(task, one.endpoint(task, index)) for task in one.tasks]
    return tuple(Server(task.id, *end) for task, end in ends if end)


def make(*apps, rules=None, refused=None, **more):
    known = {identity: Rule(identity, {"Acl": text}) for identity, text in (rules or {}).items()}
    chosen = settings.parse({"marathon_endpoints": ["http://m"], **more})
    return routes.make({one.id: one for one in apps}, known, chosen, servers=servers, refused=refused or {})


def messages(made):
    return {(problem.app, problem.message) for problem in made.problems}


def test_the_default_is_the_path_of_the_id():
    made = make(app("/team/app"))
    assert made.wanted.maps.prefixes == {"/team/app/": "::team::app-cluster"}
    assert made.wanted.backends["::team::app-cluster"].servers == (Server("/team/app.t", "10.0.0.1", 31000),)
    assert make(app("/team/app"), default_routes=False).wanted.backends == {}


def test_hosts_of_rules_are_entries_of_a_map_and_other_rules_are_lines():
    made = make(app("/a"), app("/b"), rules={"/a": "hdr(host) -i A.example b.example", "/b": "path_beg /b"})
    assert made.wanted.maps.hosts == {"a.example": "::a-cluster", "b.example": "::a-cluster"}
    assert [(acl.text, acl.backend) for acl in made.wanted.acls] == [("path_beg /b", "::b-cluster")]
    assert made.wanted.maps.prefixes == {}
    assert made.problems == []


def test_labels_route_ports_paths_and_services():
    made = make(
        app("/a", {"HAPROXY_0_VHOST": "a.x", "HAPROXY_1_VHOST": "a.x", "HAPROXY_1_PATH": "/one"}),
        app("/t", {"HAPROXY_0_MODE": "tcp", "HAPROXY_0_PORT": "5432"}, {"BAMBOO_TCP_PORT": "5433"}),
        app("/u", {"HAPROXY_0_MODE": "tcp"}),
        app("/p", {"HAPROXY_0_PATH": "/Pay"}),
    )
    assert made.wanted.maps.hosts == {"a.x": "::a-cluster"}
    assert made.wanted.maps.paths == {"a.x/one": "::a-cluster-1"}
    assert made.wanted.maps.prefixes == {"/pay": "::p-cluster"}
    assert [(one.port, one.backend) for one in made.wanted.listeners] == [
        (5432, "::t-tcp"),
        (5433, "::t-tcp"),
        (10001, "::u-tcp"),
    ]
    assert made.wanted.backends["::a-cluster-1"].servers[0].port == 31001
    assert made.problems == []


def test_settings_of_one_port_that_differ_are_two_backends():
    made = make(app("/a", {"HAPROXY_0_VHOST": "a.x", "HAPROXY_0_STICKY": "true"}), rules={"/a": "hdr(host) -i b.x"})
    assert len(made.wanted.backends) == 2
    assert made.wanted.maps.hosts["a.x"] != made.wanted.maps.hosts["b.x"]


def test_the_first_by_id_has_it_and_the_other_is_told():
    made = make(
        app("/b", {"HAPROXY_0_VHOST": "same.x", "HAPROXY_0_PORT": "7000"}),
        app("/a", {"HAPROXY_0_VHOST": "same.x", "HAPROXY_0_PORT": "7000"}),
    )
    assert made.wanted.maps.hosts == {"same.x": "::a-cluster"}
    assert messages(made) == {("/b", "same.x belongs to /a"), ("/b", "port 7000 belongs to /a")}


@pytest.mark.parametrize("port", [80, 443, 8000, 8404, 22])
def test_ports_of_the_edge_itself_are_not_given_away(port):
    made = make(app("/a", {"HAPROXY_0_MODE": "tcp", "HAPROXY_0_PORT": str(port)}))
    assert made.wanted.listeners == ()
    assert any(f"port {port} is not available" in message for _, message in messages(made))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hdr(host) -i a\nx", "one line"),
        ("", "the rule is empty"),
        ("path_beg /", "all hosts"),
        ("hdr_end(host) .x", "belongs to /good"),
        ("path_beg /odd", "HAProxy refuses it: because"),
    ],
)
def test_a_bad_rule_is_a_problem_of_its_application_only(text, message):
    good = app("/good", {"HAPROXY_0_VHOST": "good.x"})
    made = make(app("/bad"), good, rules={"/bad": text}, refused={"path_beg /odd": "because"})
    assert made.wanted.maps.hosts == {"good.x": "::good-cluster"}
    assert made.wanted.acls == ()
    assert [(problem.app, message in problem.message) for problem in made.problems] == [("/bad", True)]


def test_rules_of_nobody_and_ids_that_cannot_be():
    made = make(app("/UPPER"), app("/a b"), rules={"/gone": "hdr(host) -i g"})
    assert made.wanted.backends == {}
    assert {problem.app for problem in made.problems} == {"/UPPER", "/a b", "/gone"}


def test_a_rule_is_checked_against_the_hosts_of_others():
    apps = {"/a": app("/a", {"HAPROXY_0_VHOST": "a.x"}), "/b": app("/b")}
    known = {"/b": Rule("/b", {"Acl": "hdr(host) -i b.x"}), "/c": Rule("/c", {"Acl": "broken rule"})}
    assert routes.check("hdr(host) -i new.x", "/a", apps, known).hosts == ("new.x",)
    assert routes.check("hdr(host) -i b.x", "/b", apps, known).hosts == ("b.x",)
    for text in ("hdr(host) -i a.x", "hdr_end(host) .x", "always_true"):
        with pytest.raises(ValueError):
            routes.check(text, "/d", apps, known)
