"""What is kept over a restart."""

from __future__ import annotations

import pytest

from services.router import state_file
from services.router.haproxy import layout
from services.router.haproxy.model import Acl, Backend, Listener, Maps, Server, Shape, Wanted
from services.router.rules.codec import Rule


def test_round_trip(tmp_path):
    backend = Backend("b", "/a", Shape(sticky=True), (Server("t.1", "10.0.0.1", 80), Server("t.2", "10.0.0.2", 80)))
    want = Wanted(
        {"b": backend},
        Maps(hosts={"a.x": "b"}),
        (Acl("r", "path /x", "b", "/a"),),
        (Listener(7000, "tcp", "b", "/a"),),
    )
    known = layout.fresh(want, None, spare_backends=1, spare_slots=8, certificates="c")
    known.sections["b"].slots[1].state = "draining"
    rules = {"/a": Rule("/a", {"Acl": "path /x"})}
    path = tmp_path / "folder" / "state.json"
    state_file.write(str(path), state_file.encode({"/a": {"id": "/a"}}, 17.5, rules, known))
    assert path.stat().st_mode & 0o777 == 0o600
    found = state_file.load(str(path))
    assert (found.documents, found.read_at, found.rules) == ({"/a": {"id": "/a"}}, 17.5, rules)
    assert found.layout == known


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 99}', '{"version": 1, "apps": {}}'])
def test_a_file_that_is_not_understood_is_an_empty_state(tmp_path, text):
    path = tmp_path / "state.json"
    path.write_text(text)
    assert state_file.load(str(path)) == state_file.State()


def test_no_file(tmp_path):
    assert state_file.load(str(tmp_path / "none")) == state_file.State()
