"""The certificates of a folder. Real ones are used in tests/services/router/test_tls.py."""

from __future__ import annotations

from services.router.haproxy import certificates
from services.router.haproxy.certificates import Certificates


def test_no_folder_and_no_certificates(tmp_path):
    assert certificates.look(None, Certificates()) == Certificates()
    assert certificates.look(str(tmp_path / "none"), Certificates()) == Certificates()
    (tmp_path / "notes.txt").write_text("x")
    assert certificates.look(str(tmp_path), Certificates()).files == ()


def test_files_that_are_none_are_named_and_not_used(tmp_path):
    (tmp_path / "a.pem").write_text("x")
    (tmp_path / "empty.pem").write_text("")
    found = certificates.look(str(tmp_path), Certificates())
    assert (found.fingerprint, found.files) == ("", ())
    assert sorted(found.problems) == ["a.pem", "empty.pem"]


def test_lists(tmp_path):
    certificates.write_list(str(tmp_path), Certificates())
    assert list(tmp_path.iterdir()) == []
    for fingerprint in ("one", "two"):
        certificates.write_list(str(tmp_path), Certificates(fingerprint, ("/c/a.pem", "/c/b.pem")))
    assert (tmp_path / "certificates-two.list").read_text() == "/c/a.pem\n/c/b.pem\n"
    certificates.remove_lists(str(tmp_path), "two")
    assert [path.name for path in tmp_path.iterdir()] == ["certificates-two.list"]
