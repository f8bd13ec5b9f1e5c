"""Bodies of rules, and logins."""

from __future__ import annotations

import pytest

from services.router.api import auth, server
from services.router.rules.codec import Rule
from services.router.settings import SettingsError


@pytest.mark.parametrize(
    ("document", "rule"),
    [
        ({"id": "/a", "acl": "x"}, Rule("/a", {"Acl": "x"})),
        ({"ID": "a", "ACL": "x", "Config": {"k": "v", "Acl": "old"}}, Rule("/a", {"k": "v", "Acl": "x"})),
        ({"id": "/a", "config": {"Acl": "x"}}, Rule("/a", {"Acl": "x"})),
        ({"id": "/a", "acl": None, "config": None}, Rule("/a", {})),
    ],
)
def test_rules(document, rule):
    assert server.rule_of(document) == rule


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ([], server.NOT_JSON),
        ("x", server.NOT_JSON),
        ({"id": 1}, server.NOT_JSON),
        ({"id": "a", "acl": 1}, server.NOT_JSON),
        ({"id": "a", "config": [1]}, server.NOT_JSON),
        ({"id": "a", "config": {"k": 1}}, server.NOT_JSON),
        ({}, server.EMPTY_ID),
        ({"id": "", "acl": "x"}, server.EMPTY_ID),
    ],
)
def test_bodies_that_are_no_rule(document, text):
    with pytest.raises(server.RequestError, match=text):
        server.rule_of(document)


def test_logins(tmp_path):
    path = tmp_path / "logins"
    path.write_text("a:b\n\nc:d:e\n")
    assert auth.load(str(path)) == {b"a:b", b"c:d:e"}
    for text in ("", "nonsense\n"):
        path.write_text(text)
        with pytest.raises(SettingsError):
            auth.load(str(path))
    with pytest.raises(SettingsError):
        auth.load(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("header", "given"),
    [
        ("Basic YTpi", True),
        ("basic YTpi", True),
        ("Basic YTpj", False),
        ("Basic !", False),
        ("Bearer YTpi", False),
        ("", False),
    ],
)
def test_headers(header, given):
    assert auth._given(header, frozenset({b"a:b", b"x:y"})) is given
