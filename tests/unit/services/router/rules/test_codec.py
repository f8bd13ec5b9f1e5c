"""Bamboo's nodes in ZooKeeper."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.rules import codec

TEXT = "hdr(host) -i app.example"


@pytest.mark.parametrize(
    ("name", "data", "app", "config"),
    [
        ("%2Fteam%2Fapp", b'{"version":"2","config":{"Acl":"path_beg /a"}}', "/team/app", {"Acl": "path_beg /a"}),
        ("%2Fa+b", TEXT.encode(), "/a b", {"Acl": TEXT}),
        ("plain", TEXT.encode(), "/plain", {"Acl": TEXT}),
        ("a", b'{"version":"1","config":{}}', "/a", {"Acl": '{"version":"1","config":{}}'}),
        ("a", b"17", "/a", {"Acl": "17"}),
        ("a", b'{"version":"2"}', "/a", {}),
        ("a", b'{"version":"2","config":{"Acl":"x","n":1,"k":"v"}}', "/a", {"Acl": "x", "k": "v"}),
        ("a", b"", "/a", {"Acl": ""}),
        ("a", b"\xff", "/a", {"Acl": "\ufffd"}),
    ],
)
def test_decode(name, data, app, config):
    assert codec.decode(name, data) == codec.Rule(app, config)


@given(st.text(min_size=1).map(codec.app_id), st.dictionaries(st.text(), st.text()))
def test_round_trip(app, config):
    rule = codec.Rule(app, config)
    name = codec.node_name(app)
    assert "/" not in name
    assert codec.decode(name, codec.encode(rule)) == rule
