"""A repository's key is trusted when it is the one that was meant, and its keyring holds no other."""

from __future__ import annotations

import pytest

FINGERPRINT = "F211AFBB8129CAD7072D111E0DECE5E3F17CB32C"
KEY = """\
-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawunCxYJKwYBBAHaRw8BAQdAXZzlhk4N6MsH+HdxVzvy663eGUX7x1IXd3Bq
7MUpWse0K1Rlc3Qgb2YgdGhlIGtleSByZWFkZXIgPG5vYm9keUBleGFtcGxlLmNv
bT6IkAQTFggAOBYhBPIRr7uBKcrXBy0RHg3s5ePxfLMsBQJrC6cLAhsDBQsJCAcC
BhUKCQgLAgQWAgMBAh4BAheAAAoJEA3s5ePxfLMs1BsBALuaBJ+XBT8YDcHkCne/
KNO2pT6qdBsPVB6egk4OgskKAQDTp3QVm+Zl3JChGYhGOr/07sDBtDIEEh3xYAUS
aHLbBQ==
=poxT
-----END PGP PUBLIC KEY BLOCK-----
"""
NAMED = {"fingerprint": FINGERPRINT, "setting": "agent.key_fingerprint"}


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "key.asc"
    path.write_text(KEY)
    return path


@pytest.fixture
def pinned(load, tmp_path):
    openpgp = load("_modules/openpgp")
    functions = {"openpgp.fingerprints": openpgp.fingerprints, "openpgp.dearmoured": openpgp.dearmoured}

    def run(source, *, test=False, **arguments):
        state = load("_states/apt_key", salt=functions, test=test)
        return state.pinned(str(tmp_path / "ring.gpg"), str(source), **(NAMED | arguments))

    return run


def test_the_fingerprint_is_that_of_gpg(load, key):
    assert load("_modules/openpgp").fingerprints(key) == [FINGERPRINT]


def test_a_keyring_that_is_not_armoured_is_read_too(load, key, tmp_path):
    openpgp = load("_modules/openpgp")
    (tmp_path / "bare").write_bytes(openpgp.dearmoured(key))
    assert openpgp.fingerprints(tmp_path / "bare") == [FINGERPRINT]


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"\xc6\xff"])
def test_what_is_no_key_is_refused(pinned, tmp_path, content):
    (tmp_path / "broken").write_bytes(content)
    found = pinned(tmp_path / "broken")
    assert found["result"] is False
    assert not (tmp_path / "ring.gpg").exists()


def test_the_right_key_is_trusted_once(pinned, key, tmp_path):
    assert pinned(key)["changes"] == {"key": FINGERPRINT}
    assert (tmp_path / "ring.gpg").stat().st_mode & 0o777 == 0o644
    again = pinned(key)
    assert (again["result"], again["changes"]) == (True, {})


def test_another_key_is_refused(pinned, key, tmp_path):
    found = pinned(key, fingerprint="AB" * 20)
    assert found["result"] is False
    assert FINGERPRINT in found["comment"]
    assert not (tmp_path / "ring.gpg").exists()


def test_a_second_key_beside_the_right_one_is_refused(pinned, load, key, tmp_path):
    bare = load("_modules/openpgp").dearmoured(key)
    (tmp_path / "two").write_bytes(bare + bare)
    assert pinned(tmp_path / "two")["result"] is False


def test_without_a_fingerprint_the_operator_is_told_what_to_compare(pinned, key, tmp_path):
    found = pinned(key, fingerprint="")
    assert found["result"] is False
    assert FINGERPRINT in found["comment"]
    assert "agent.key_fingerprint is empty" in found["comment"]
    assert not (tmp_path / "ring.gpg").exists()


def test_a_dry_run_changes_nothing(pinned, key, tmp_path):
    assert pinned(key, test=True)["result"] is None
    assert not (tmp_path / "ring.gpg").exists()
