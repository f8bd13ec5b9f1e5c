"""The text of haproxy.cfg and of the maps."""

from __future__ import annotations

import pytest

from services.router import settings
from services.router.haproxy import layout
from services.router.haproxy.model import Acl, Backend, Listener, Maps, Server, Shape, Wanted
from services.router.haproxy.render import MANAGED, Renderer, map_texts
from services.router.settings import SettingsError

LEAST = {"marathon_endpoints": ["http://m"], "spare_backends": 1}
PLAIN = Shape()
SERVER = Server("t", "10.0.0.1", 31000)


def renderer(login=None, **more):
    return Renderer(settings.parse({**LEAST, **more}), login)


def made(servers=(SERVER,), shape=PLAIN, certificates="", **more):
    want = Wanted({"::a-cluster": Backend("::a-cluster", "/a", shape, tuple(servers))}, **more)
    return layout.fresh(want, None, spare_backends=1, spare_slots=2, certificates=certificates)


def lines(text):
    return [line.strip() for line in text.splitlines()]


def test_a_backend_has_its_servers_and_free_slots():
    text = renderer().config(made())
    assert text.startswith(MANAGED)
    found = lines(text)
    start = found.index("backend ::a-cluster from web")
    assert found[start - 1 : start + 4] == [
        *("# app /a", "backend ::a-cluster from web", "balance leastconn"),
        *("server s1 10.0.0.1:31000", "server s2 127.0.0.1:9 disabled"),
    ]
    assert "backend spare-0 from web" in found


def test_what_a_shape_asks_for():
    shape = Shape(balance="source", sticky=True, https_only=True)
    found = lines(renderer(certificates_dir="/c", https_port=8443).config(made(shape=shape, certificates="x")))
    assert "hash-type consistent" in found
    assert "server s1 10.0.0.1:31000 cookie s1" in found
    assert "bind *:8443 ssl crt-list /etc/haproxy/maps/certificates-x.list alpn h2,http/1.1" in found
    assert any(line.startswith("http-request redirect location https://%[var(txn.host)]:8443") for line in found)
    plain = renderer(certificates_dir="/c").config(made(shape=shape))
    assert "crt-list" not in plain  # no certificate yet
    assert "redirect location" not in plain


def test_rules_and_ports():
    acls = (Acl("rule_x", "path_beg /x", "::a-cluster", "/a"),)
    listeners = (Listener(5432, "tcp", "::a-cluster", "/a", "10.1.1.1"), Listener(8081, "http", "::a-cluster", "/a"))
    found = lines(renderer().config(made(acls=acls, listeners=listeners)))
    assert "acl rule_x path_beg /x" in found
    assert "http-request set-var(txn.bk) str(::a-cluster) if ! { var(txn.bk) -m found } rule_x" in found
    start = found.index("frontend tcp-5432 from plain")
    assert found[start : start + 3] == [found[start], "bind 10.1.1.1:5432", "default_backend ::a-cluster"]
    assert "frontend http-8081 from web" in found


def test_optional_parts():
    text = renderer("admin:pw", syslog_address="127.0.0.1:514").config(made())
    assert "stats auth admin:pw" in text
    assert "log 127.0.0.1:514 len 8192 format rfc5424 local0" in text
    assert "log /dev/log len 8192 format local local0" in renderer(syslog_address="/dev/log").config(made())
    text = renderer(haproxy_user=None, haproxy_chroot=None).config(made())
    for absent in ("stats enable", "log 127", "user haproxy", "chroot"):
        assert absent not in text


@pytest.mark.parametrize("login", ["admin", "a:b c", "a:b'", 'a:"', "a:\\n", "a:#", "a:$HOME", "a:%[x]", "ä:b"])
def test_a_login_that_would_be_something_else_in_haproxys_language(login):
    with pytest.raises(SettingsError):
        renderer(login)


def test_the_fingerprint_is_of_what_only_a_reload_changes():
    one = renderer()
    same = one.fingerprint(made())
    assert one.fingerprint(made(servers=())) == same
    assert one.fingerprint(made(shape=Shape(sticky=True))) != same
    assert one.fingerprint(made(certificates="x")) != same
    assert one.fingerprint(made(acls=(Acl("r", "path /", "::a-cluster", "/a"),))) != same
    assert renderer(maxconn=5).fingerprint(made()) != same
    assert same in one.config(made())


def test_a_template_of_ones_own(tmp_path):
    template = tmp_path / "t.j2"
    template.write_text("x {{ layout.sections | length }}\n")
    assert renderer(template=str(template)).config(made()) == "x 2\n"
    template.write_text("{{ nothing }}")
    with pytest.raises(SettingsError, match="nothing"):
        renderer(template=str(template)).config(made())
    template.write_text("{% if %}")
    with pytest.raises(SettingsError, match=r"t\.j2"):
        renderer(template=str(template))


def test_maps():
    texts = map_texts(Maps(hosts={"b": "2", "a": "1"}))
    assert texts == {"hosts.map": "a 1\nb 2\n", "paths.map": "", "prefixes.map": "", "apps.map": ""}
