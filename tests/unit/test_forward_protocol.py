"""The contract's login at an aggregator tells one that knows the key from those that do not."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from forward_protocol import Pong, aggregators, log_in

from bootstrap.certificates import Authority

NAME = "control-1.lab.example"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path, Path]:
    """CA, certificate of NAME, its key."""
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path / "state"))
    authority = Authority("lab")
    certificate, key = authority.issue("control-1", [NAME], ["127.0.0.1"])
    found = tmp_path / "node.crt", tmp_path / "node.key"
    for path, content in zip(found, (certificate, key), strict=True):
        path.write_bytes(content)
    return authority.ca_path, *found


@pytest.fixture
def serve(files: tuple[Path, Path, Path]) -> Iterator[Callable[..., int]]:
    with aggregators(files[1], files[2], "the key") as start:
        yield start


def test_who_knows_the_key_gets_in(serve: Callable[..., int], files: tuple[Path, Path, Path]) -> None:
    port, ca = serve(), files[0]
    assert log_in("127.0.0.1", port, ca=ca, name=NAME, key="the key") == Pong(True, "", True)
    assert log_in("127.0.0.1", port, ca=ca, name=NAME, key="another") == Pong(False, "shared_key mismatch", False)


def test_another_name_or_another_service_is_no_aggregator(
    serve: Callable[..., int], files: tuple[Path, Path, Path]
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        log_in("127.0.0.1", serve(), ca=files[0], name="control-2.lab.example", key="the key")
    with pytest.raises(ValueError, match="0x53"):
        log_in("127.0.0.1", serve(greets=False), ca=files[0], name=NAME, key="the key")
