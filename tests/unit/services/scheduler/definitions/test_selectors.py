from __future__ import annotations

import pytest

from services.scheduler.definitions import selectors
from services.scheduler.definitions.errors import InvalidDefinition

LABELS = {"env": "prod", "tier": "front", "HAPROXY_GROUP": "external", "a!": "b c", "in": "x", "empty": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("  ", True),
        ("env", True),
        ("stage", False),
        ("env==prod", True),
        (" env == prod ", True),
        ("env==test", False),
        ("env!=test", True),
        ("env!=prod", False),
        ("stage!=prod", False),
        ("env in (test, prod)", True),
        ("env in(prod)", True),
        ("env in (test)", False),
        ("env in ()", False),
        ("env notin (test,other)", True),
        ("env notin (prod)", False),
        ("stage notin (prod)", False),
        ("env==prod,tier==front", True),
        ("env==prod, tier in (back), tier", False),
        ("HAPROXY_GROUP==external", True),
        (r"HAPROXY\_GROUP==external", True),
        (r"a\! == b\ c", True),
        ("in in (x)", True),
        ("in", True),
        ("in, env", True),
    ],
)
def test_selects(text: str, expected: bool) -> None:
    assert selectors.parse(text)(LABELS) is expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("env=prod", "',' or the end expected at character 4"),
        ("==prod", "a label or value expected at character 1"),
        ("env==", "a label or value expected at character 6"),
        ("env in (a", "')' expected at character 10"),
        ("env in (a,)", "a label or value expected at character 11"),
        ("env,,tier", "a label or value expected at character 5"),
        ("env prod", "',' or the end expected at character 5"),
        ("!env", "a label or value expected at character 1"),
    ],
)
def test_says_where_it_cannot_be_read(text: str, reason: str) -> None:
    with pytest.raises(InvalidDefinition) as error:
        selectors.parse(text)
    assert error.value.status == 422
    assert error.value.body == {"message": f"Can not parse label selector {text}. Reason: {reason}"}
