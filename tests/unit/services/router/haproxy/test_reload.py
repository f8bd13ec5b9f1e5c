"""Parts of the reload that need no HAProxy."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from services.router import settings
from services.router.haproxy import layout, reload
from services.router.haproxy.model import Backend, Listener, Server, Shape, Wanted

CONFIG = """# managed
global
frontend web
    # app /a
    acl x path /a
    # app /b
    acl y nonsense
    # app -
    use_backend z
# app /c
backend c
    server s1 x
"""


@pytest.mark.parametrize(
    ("complaint", "app"),
    [
        ("[ALERT] (12) : config : parsing [/tmp/x.cfg:7] : error detected", "/b"),
        ("[ALERT] (12) : config : parsing [/tmp/x.cfg:12] : 'server s1'", "/c"),
        ("[ALERT] (12) : config : parsing [/tmp/x.cfg:9] : no", None),
        ("[ALERT] (12) : config : parsing [/tmp/x.cfg:2] : no", None),
        ("[ALERT] (12) : config : parsing [/tmp/x.cfg:2] : a\n[ALERT] : parsing [/tmp/x.cfg:5] : b", "/a"),
        ("something else", None),
    ],
)
def test_whose_part_of_the_configuration_is_wrong(complaint, app):
    assert reload.culprit(CONFIG, complaint) == app


def test_ports_that_something_else_holds():
    with socket.create_server(("127.0.0.1", 0)) as holder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        ports = holder.getsockname()[1], free.getsockname()[1]
        free.close()
        wanted = [Listener(port, "tcp", "b", "/a") for port in ports]
        assert set(reload.taken_ports(wanted, set())) == {ports[0]}
        assert reload.taken_ports(wanted, {f"tcp-{ports[0]}", "web"}) == {}


def test_more_descriptors_than_there_are():
    many = layout.fresh(
        Wanted({"b": Backend("b", "/a", Shape(), (Server("t", "10.0.0.1", 1),))}),
        None,
        spare_backends=1,
        spare_slots=8,
    )
    chosen = {"marathon_endpoints": ["http://m"]}
    reload.check_descriptors(many, settings.parse({**chosen, "maxconn": 10}), os.getpid())
    with pytest.raises(reload.ReloadError, match="file descriptors needed"):
        reload.check_descriptors(many, settings.parse({**chosen, "maxconn": 10**12}), os.getpid())


@pytest.mark.parametrize(
    ("script", "complaint"),
    [("exit 0", ""), ("echo '[ALERT] bad'; exit 1", "[ALERT] bad"), ("echo '[NOTICE] (1) : x'; exit 1", "not valid")],
)
def test_validation_is_what_the_program_says(tmp_path, script, complaint):
    program = tmp_path / "haproxy"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    assert asyncio.run(reload.validate(str(program), "x")) == complaint


def test_validation_without_the_program():
    with pytest.raises(reload.ReloadError):
        asyncio.run(reload.validate("/nowhere/haproxy", "x"))
