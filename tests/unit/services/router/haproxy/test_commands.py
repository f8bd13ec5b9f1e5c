"""Steps as lines of the command line."""

from __future__ import annotations

import pytest

from services.router.haproxy import commands, layout
from services.router.haproxy.model import Server
from services.router.haproxy.runtime import RefusedError


@pytest.mark.parametrize(
    ("step", "lines"),
    [
        (layout.Claim("spare-0", "b", "/a"), []),
        (
            layout.Fill("b", "s1", Server("t", "10.0.0.1", 31000)),
            ["set server b/s1 addr 10.0.0.1 port 31000", "set server b/s1 state ready"],
        ),
        (layout.Revive("b", "s1"), ["set server b/s1 state ready"]),
        (layout.Drain("b", "s1", sticky=False), ["set server b/s1 state drain"]),
        (layout.Drain("b", "s1", sticky=True), ["set server b/s1 state maint"]),
        (layout.Put("hosts", "a.x", "b", exists=False), ["add map /m/hosts.map a.x b"]),
        (layout.Put("hosts", "a.x", "b", exists=True), ["set map /m/hosts.map a.x b"]),
        (layout.Remove("hosts", "a.x"), ["del map /m/hosts.map a.x"]),
    ],
)
def test_lines(step, lines):
    assert commands.of(step, "/m") == lines


@pytest.mark.parametrize("key", ["a.x b", "a;del", "a\nb"])
def test_keys_that_would_be_commands(key):
    with pytest.raises(ValueError):
        commands.of(layout.Put("hosts", key, "b", exists=False), "/m")


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        ("", False),
        ("IP changed from '127.0.0.1' to '10.0.0.1' by 'stats socket command'", False),
        ("no need to change the addr, port changed from '9' to '10' by 'stats socket command'", False),
        ("No such server.", True),
        ("entry not found.", True),
        ("Unknown command: 'x'", True),
    ],
)
def test_answers(answer, refused):
    if not refused:
        commands.check("line", answer)
        return
    with pytest.raises(RefusedError):
        commands.check("line", answer)
