"""A node can be sealed only when all that its states look at is kept: every state is of a kind that is."""

from __future__ import annotations

import ast
import re
from importlib import util
from pathlib import Path

import pytest

from bootstrap import paths

# Functions by which states and templates look at nothing, or at what is kept anyway: the pillar, arguments, files and
# units named in states; or which act, and so are never called where every state holds.
ELSEWHERE_KEPT = {
    "cmd.run_all",
    "cmd.run_stdout",
    "cp.get_template",
    "elasticsearch.password_hash",
    "file.chown",
    "file.dirname",
    "log_lines.end_pattern",
    "log_lines.quoted",
    "machine.cgroup",
    "openpgp.dearmoured",
    "openpgp.fingerprints",
    "pillar.get",
    "readiness.squatter",
    "service.reload",
    "service.restart",
    "service.systemctl_reload",
    "slsutil.merge",
    "states.step_aside",
    "states.step_back",
    "units.show",
    "units.stale",  # the units' files are kept
    "web_login.bcrypt",
    "znode.digest",
    "znode.protect",
    "znode.protection",
}


@pytest.fixture(scope="module")
def seal():
    spec = util.spec_from_file_location("salt_seal", paths.SALT / "_modules/seal.py")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_state_is_of_a_known_kind(rendered, seal):
    strange = {
        f"{chunk['__id__']} ({chunk['__sls__']}): {chunk['state']}.{chunk['fun']}"
        for answer in rendered.values()
        for chunk in answer["chunks"]
        if not seal._is_known((chunk["state"], chunk["fun"], chunk))
    }
    assert strange == set(), "no node with one of these is ever sealed"


def test_no_kind_is_known_that_is_not_used(rendered, seal):
    used = {
        (chunk["state"], chunk["fun"])
        for answer in rendered.values()
        for chunks in (answer["chunks"], *answer["extra"].values())
        for chunk in chunks
    }
    assert seal.KNOWN.keys() == {module for module, _ in used}
    named = {(module, name) for module, names in seal.KNOWN.items() for name in names or ()}
    assert named - used == set()


def asked_by(path: Path) -> set[str]:
    """`__salt__["module.function"]` in Python, `salt['module.function']` in templates."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return set(re.findall(r"salt\[['\"]([a-z_.]+)['\"]\]", text))
    return {
        node.slice.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == "__salt__"
        and isinstance(node.slice, ast.Constant)
    }


def test_whatever_states_and_templates_ask_is_kept_or_needs_not_be(seal):
    files = [path for path in paths.SALT.rglob("*") if path.is_file() and "_modules" not in path.parts]
    asked = set().union(*map(asked_by, files))
    assert len(asked) > 20
    assert asked - {*seal.ASKED} == ELSEWHERE_KEPT
