"""Users' rules: what is accepted, what is refused, what would take what is not its own."""

from __future__ import annotations

import pytest

from services.router.rules import acl

ACCEPTED = [
    ("hdr(host) -i app.example", ("app.example",)),
    ("hdr(Host) A.example b.example:8080", ("a.example", "b.example")),
    ("req.hdr(host) -m str a.example", ("a.example",)),
    ("hdr(host) -i -- a.example", ("a.example",)),
    ("hdr_beg(host) -i app.", ()),
    ("hdr_end(host) -i .example", ()),
    ("hdr_reg(host) -i ^app.*example", ()),
    ("hdr(host) -m beg app.", ()),
    ("hdr(x-team) -i blue", ()),
    ("path_beg -i /api /v2", ()),
    ("path /exact", ()),
    ("path_reg ^/(a)b", ()),
    ("url_beg /x?y=", ()),
    ("method POST PUT", ()),
    ("src 10.0.0.0/8 ::1", ()),
]


@pytest.mark.parametrize(("text", "hosts"), ACCEPTED)
def test_accepted(text, hosts):
    assert acl.parse(text).hosts == hosts


REFUSED = [
    *("", "   ", "hdr(host)", "hdr(host) -i", "hdr(host) -i a\nhttp-request deny", "hdr(host) -i a\r", "hdr(host) ä"),
    *("hdr(host) -i a or b", "hdr(host) -i a if b", "{ hdr(host) a }", "hdr(host) a # b", 'hdr(host) "a"', "path /a;b"),
    *(
        "!hdr(host) a",
        "always_true",
        "hdr(host) -m found",
        "hdr(host) -f /etc/passwd",
        "hdr(host) -M a",
        "hdr(host) $A",
    ),
    *(
        "hdr(host),map(/etc/passwd) -m found",
        "env(HOME) -m found",
        "str(a) a",
        "hdr(host) -i a path_beg /x",
        "rand(2) 1",
    ),
    *("hdr(host) a -i", "hdr(host) -n a", "hdr(host) -u 1 a", "hdr(host) -m reg", "hdr(host) -m ip 1.1.1.1"),
    *("path_beg api", "path x", "method get", "src localhost", "hdr(host) a/b", "hdr(host) -i *.example"),
    *("hdr_reg(host) (a+)+", "path_reg ^/(a*)*", "path_reg a**", "path_reg (", "hdr_reg(host) [a-z]", "path_reg a\\.b"),
    *("hdr(host) " + " ".join("a" * 51), "hdr(host) " + "a" * 2000, "lua.x a", "hdr_ip(host) 1.1.1.1", "nbsrv(x) 0"),
    *("hdr(host) `a`", "path_beg /%[src]", "path_beg /a'b", "hdr(host) -i ||", "hdr(host) not a", "hdr_cnt(host) 1"),
]


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text):
    with pytest.raises(acl.RuleError):
        acl.parse(text)


OWNERS = {"a.example": "/a", "other.example": "/other"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hdr(host) -i a.example", None),
        ("path_beg /api", None),
        ("hdr_beg(host) -i a.", None),
        ("hdr_end(host) -i .example", "other.example, which belongs to /other"),
        ("hdr_reg(host) .*", "all hosts"),
        ("hdr_reg(host) -i ^", "all hosts"),
        ("path_beg /", "all hosts"),
        ("path_reg ^/", "all hosts"),
        ("url_beg /", "all hosts"),
        ("base_sub /", "all hosts"),
        ("path_sub /", "all hosts"),
        ("hdr_sub(host) example", "other.example"),
        ("method GET", "all hosts"),
        ("src 0.0.0.0/0", "all hosts"),
    ],
)
def test_rules_that_take_what_is_not_their_own(text, reason):
    found = acl.captures(acl.parse(text), OWNERS, "/a")
    assert found == reason if reason is None else reason in found


@pytest.mark.parametrize(
    ("text", "host", "path", "matches"),
    [
        ("hdr_beg(host) -i APP.", "app.x", "/", True),
        ("hdr_beg(host) APP.", "app.x", "/", False),
        ("hdr_end(host) .x", "app.x", "/", True),
        ("path_sub /b", "h", "/a/b/c", True),
        ("path /a", "h", "/a/b", False),
        ("base_beg h/a", "h", "/a/b", True),
        ("path_reg ^/a", "h", "/b", False),
        ("hdr(x) y", "h", "/", False),
    ],
)
def test_matches(text, host, path, matches):
    assert acl.parse(text).matches(host, path) is matches
