"""What HAProxy says of rules is asked once."""

from __future__ import annotations

import asyncio

import pytest

from services.router.rules.acl import RuleError
from services.router.rules.codec import Rule
from services.router.rules.verdicts import Verdicts

# Stands for `haproxy -c`: refuses files with "odd" in them, and counts how often it was asked.
PROGRAM = """#!/bin/sh
for file; do :; done
echo asked >> {log}
if grep -q odd "$file"; then echo "[ALERT] (1) : config : parsing [$file:7] : error in ACL 'odd'"; exit 1; fi
"""


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "haproxy"
    path.write_text(PROGRAM.format(log=tmp_path / "log"))
    path.chmod(0o755)
    return path


def test_many_are_asked_about_at_once_and_singly_when_they_fail(program, tmp_path):
    verdicts = Verdicts(str(program))
    rules = [Rule(f"/{name}", {"Acl": f"path_beg /{name}"}) for name in ("a", "odd", "b")]
    hosts = [Rule("/h", {"Acl": "hdr(host) -i odd"}), Rule("/x", {"Acl": "broken"})]
    asyncio.run(verdicts.check_rules([*rules, *hosts]))
    assert list(verdicts.refused) == ["path_beg /odd"]
    assert "error in ACL" in verdicts.refused["path_beg /odd"]
    with pytest.raises(RuleError):
        verdicts.raise_if_refused("path_beg /odd")
    verdicts.raise_if_refused("path_beg /a")
    asked = (tmp_path / "log").read_text().count("asked")
    assert asked == 4
    asyncio.run(verdicts.check_rules(rules))
    assert (tmp_path / "log").read_text().count("asked") == asked
