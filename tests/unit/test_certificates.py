"""The CA and what it issues, judged by OpenSSL's own verification in a TLS handshake and by what is on disk."""

from __future__ import annotations

import datetime
import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest
from cryptography import x509

from bootstrap import certificates
from bootstrap.certificates import Authority


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    return tmp_path


def handshake(folder: Path, node: str, ca: Path, asked_for: str) -> str:
    """Connect to a server with `node`'s certificate, trusting `ca` only. Returns the protocol."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(folder / f"{node}.crt", folder / f"{node}.key")
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            server_context.wrap_socket(theirs, server_side=True).close()
        except OSError:
            theirs.close()  # the client refused us; its side of the test tells

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        context = ssl.create_default_context(cafile=str(ca))
        with context.wrap_socket(ours, server_hostname=asked_for) as connection:
            return connection.version() or ""
    finally:
        ours.close()
        thread.join(5)


@pytest.mark.parametrize("asked_for", ["172.30.10.10", "admin-1", "admin-1.local.utopia"])
def test_a_client_that_trusts_the_ca_accepts_each_name(state: Path, asked_for: str) -> None:
    authority = Authority("e")
    authority.issue("admin-1", ["admin-1", "admin-1.local.utopia"], ["172.30.10.10"])
    assert handshake(state / "e" / "ca", "admin-1", authority.ca_path, asked_for) == "TLSv1.3"


@pytest.mark.parametrize("asked_for", ["172.30.10.11", "control-1"])
def test_another_name_is_refused(state: Path, asked_for: str) -> None:
    authority = Authority("e")
    authority.issue("admin-1", ["admin-1"], ["172.30.10.10"])
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(state / "e" / "ca", "admin-1", authority.ca_path, asked_for)


def test_another_environments_ca_is_refused(state: Path) -> None:
    Authority("e").issue("admin-1", ["admin-1"], [])
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(state / "e" / "ca", "admin-1", Authority("other").ca_path, "admin-1")


def test_terms() -> None:
    authority = Authority("e")
    ca = x509.load_pem_x509_certificate(authority.ca_pem)
    leaf = x509.load_pem_x509_certificate(authority.issue("n", ["n"], [])[0])
    now = datetime.datetime.now(datetime.UTC)
    assert 3649 <= (ca.not_valid_after_utc - now).days <= 3650
    assert 824 <= (leaf.not_valid_after_utc - now).days <= 825
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_keys_are_ours_alone(state: Path) -> None:
    Authority("e").issue("n", ["n"], [])
    folder = state / "e" / "ca"
    assert {path.name for path in folder.iterdir()} == {"ca.crt", "ca.key", "n.crt", "n.key"}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.glob("*.key"))


def test_the_same_again_is_the_same() -> None:
    first = Authority("e").issue("n", ["a", "b"], ["10.0.0.1"])
    assert Authority("e").issue("n", ["b", "a"], ["10.0.0.1"]) == first


@pytest.mark.parametrize(("names", "addresses"), [(["a", "b"], ["10.0.0.1"]), (["a"], ["10.0.0.2"]), (["a"], [])])
def test_other_names_make_another_certificate(names: list[str], addresses: list[str]) -> None:
    authority = Authority("e")
    first = authority.issue("n", ["a"], ["10.0.0.1"])
    assert authority.issue("n", names, addresses) != first


@pytest.mark.parametrize(("days_left", "renewed"), [(31, False), (29, True)])
def test_renewed_when_it_nears_its_end(monkeypatch: pytest.MonkeyPatch, days_left: int, renewed: bool) -> None:
    authority = Authority("e")
    first = authority.issue("n", ["a"], [])
    later = certificates._now() + datetime.timedelta(days=certificates.LEAF_DAYS - days_left, minutes=-5)
    monkeypatch.setattr(certificates, "_now", lambda: later)
    assert (authority.issue("n", ["a"], []) != first) is renewed


@pytest.mark.parametrize("name", ["n.crt", "n.key"])
def test_a_file_cut_short_is_replaced(state: Path, name: str) -> None:
    authority = Authority("e")
    authority.issue("n", ["a"], [])
    path = state / "e" / "ca" / name
    path.write_bytes(path.read_bytes()[:100])
    authority.issue("n", ["a"], [])
    handshake(state / "e" / "ca", "n", authority.ca_path, "a")


def test_a_new_ca_issues_anew(state: Path) -> None:
    Authority("e").issue("n", ["a"], [])
    for path in (state / "e" / "ca").glob("ca.*"):
        path.unlink()
    authority = Authority("e")
    authority.issue("n", ["a"], [])
    handshake(state / "e" / "ca", "n", authority.ca_path, "a")


def test_a_key_of_another_certificate_is_not_kept(state: Path) -> None:
    authority = Authority("e")
    authority.issue("n", ["a"], [])
    authority.issue("m", ["a"], [])
    folder = state / "e" / "ca"
    (folder / "n.key").write_bytes((folder / "m.key").read_bytes())
    authority.issue("n", ["a"], [])
    handshake(folder, "n", authority.ca_path, "a")
