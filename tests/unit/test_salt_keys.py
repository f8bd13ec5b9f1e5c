"""The keys of the Salt master and its minions: made once, for their owner alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from bootstrap import paths, salt_keys


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


def test_keys_are_made_once_and_are_a_pair() -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

    master, minions = salt_keys.ensure("e", ["a", "b"])
    assert salt_keys.ensure("e", ["a", "b"]) == (master, minions)
    assert len({master.private, minions["a"].private, minions["b"].private}) == 3
    assert load_pem_private_key(master.private, None).public_key() == load_pem_public_key(master.public)
    for path in (paths.state_dir("e") / "salt").rglob("*.p*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"PRIVATE" not in repr(master).encode()
