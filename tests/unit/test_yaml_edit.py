"""One mapping of a file changes; every comment, quote and blank line of the rest stays."""

import pytest
import yaml

from bootstrap import yaml_edit

HEAD = "# of the operators\ndriver: {name: ssh}   # bare hosts\n\n"
TAIL = "\nnodes:\n  a: {roles: []}  # the only one\n"


@pytest.mark.parametrize(
    ("before", "values", "after"),
    [
        ("versions: {}\n", {"mesos": "1.11.0"}, 'versions: {mesos: "1.11.0"}\n'),
        ("versions:\n", {"mesos": "1.11.0"}, 'versions: {mesos: "1.11.0"}\n'),
        ("versions: {} # none\n", {"a": "1"}, 'versions: {a: "1"} # none\n'),
        ('versions: {a: "1", b: "2"}\n', {"a": "3", "c": "4"}, 'versions: {a: "3", b: "2", c: "4"}\n'),
        (
            'versions:\n  # pinned since May\n  a: "1"   # why: see 12\n  b: 2.0.1\n',
            {"a": "2", "b": "2.0.2", "c": "1"},
            'versions:\n  # pinned since May\n  a: "2"   # why: see 12\n  b: "2.0.2"\n  c: "1"\n',
        ),
        ('versions:\n  a: "1"\n', {"a": "1"}, 'versions:\n  a: "1"\n'),
        ('versions: {\n  a: "1",\n  b: "2"\n}\n', {"b": "7"}, 'versions: {\n  a: "1",\n  b: "7"\n}\n'),
    ],
)
def test_only_the_mapping_changes(before, values, after):
    assert yaml_edit.set_texts(HEAD + before + TAIL, "versions", values) == HEAD + after + TAIL


def test_a_mapping_that_is_not_there_comes_to_the_end():
    edited = yaml_edit.set_texts(HEAD + TAIL, "versions", {"a": "1"})
    assert edited == HEAD + TAIL + '\nversions:\n  a: "1"\n'


@pytest.mark.parametrize("odd", ["versions: &x {a: '1'}\ncopy: *x\n", "versions: [a]\n"])
def test_what_would_come_out_otherwise_is_refused_or_right(odd):
    try:
        edited = yaml_edit.set_texts(odd, "versions", {"a": "2"})
    except (ValueError, TypeError):
        return
    assert yaml.safe_load(edited)["versions"] == {"a": "2"}
