"""marathon-lb's labels."""

from __future__ import annotations

import pytest

from services.router.rules import labels
from services.router.rules.labels import Port


@pytest.mark.parametrize(
    ("found", "ports"),
    [
        ({}, []),
        ({"HAPROXY_0_VHOST": "A.example, b.example"}, [Port(0, hosts=("a.example", "b.example"))]),
        ({"HAPROXY_0_VHOST": "a", "HAPROXY_0_PATH": "-i /x"}, [Port(0, hosts=("a",), path="/x")]),
        ({"HAPROXY_1_MODE": "tcp", "HAPROXY_1_PORT": "5432"}, [Port(1, mode="tcp", port=5432)]),
        (
            {"HAPROXY_0_VHOST": "a", "HAPROXY_0_STICKY": "true", "HAPROXY_0_REDIRECT_TO_HTTPS": "true"},
            [Port(0, hosts=("a",), sticky=True, https_only=True)],
        ),
        ({"HAPROXY_0_VHOST": "a", "HAPROXY_0_BALANCE": "source"}, [Port(0, hosts=("a",), balance="source")]),
        ({"HAPROXY_0_VHOST": "a", "HAPROXY_0_ENABLED": "false"}, []),
        ({"HAPROXY_0_VHOST": "a", "HAPROXY_2_VHOST": "b"}, [Port(0, hosts=("a",)), Port(2, hosts=("b",))]),
        ({"HAPROXY_GROUP": "external"}, []),
        ({"TRAEFIK_0_VHOST": "a"}, []),
    ],
)
def test_ports(found, ports):
    assert labels.read(found, ("*",)) == (ports, [])


@pytest.mark.parametrize(
    ("found", "problem", "routed"),
    [
        ({"HAPROXY_0_VHOST": "a b"}, "'a b' is not a host name", False),
        ({"HAPROXY_0_VHOST": "a;b"}, "'a;b' is not a host name", False),
        ({"HAPROXY_0_PATH": "x"}, "'x' is not a path", False),
        ({"HAPROXY_0_PATH": "/a b"}, "is not a path", False),
        ({"HAPROXY_0_MODE": "udp"}, "neither http nor tcp", False),
        ({"HAPROXY_0_PORT": "99999"}, "not a port", False),
        ({"HAPROXY_0_BALANCE": "magic"}, "'magic' is none of", False),
        ({"HAPROXY_0_BIND_ADDR": "$HOME"}, "is not an address", False),
        ({"HAPROXY_0_VHOST": "a", "HAPROXY_0_AUTH": "realm:user:hash"}, "HAPROXY_0_AUTH is not supported", False),
        ({"HAPROXY_0_VHOST": "a", "HAPROXY_0_BACKEND_HEAD": "x"}, "HAPROXY_0_BACKEND_HEAD is not supported", True),
    ],
)
def test_problems(found, problem, routed):
    ports, problems = labels.read(found, ("*",))
    assert [problem in message for message in problems] == [True]
    assert bool(ports) is routed


@pytest.mark.parametrize(
    ("found", "groups", "routed"),
    [
        ({}, ("external",), False),
        ({"HAPROXY_GROUP": "external"}, ("external",), True),
        ({"HAPROXY_GROUP": "internal,external"}, ("external",), True),
        ({"HAPROXY_GROUP": "external", "HAPROXY_0_GROUP": "internal"}, ("external",), False),
        ({}, ("*",), True),
    ],
)
def test_groups(found, groups, routed):
    assert bool(labels.read({"HAPROXY_0_VHOST": "a", **found}, groups)[0]) is routed


@pytest.mark.parametrize(
    ("env", "port", "problems"),
    [({}, None, 0), ({"BAMBOO_TCP_PORT": "6000"}, 6000, 0), ({"BAMBOO_TCP_PORT": "x"}, None, 1)],
)
def test_tcp_port(env, port, problems):
    found, wrong = labels.tcp_port(env)
    assert (found, len(wrong)) == (port, problems)
