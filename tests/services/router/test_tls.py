"""TLS at the edge: certificates from a folder, several names, changed while it runs."""

from __future__ import annotations

import datetime
import socket
import ssl
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from router_lab import HOST, free_port, listens, task, until, vhost

from bootstrap import engine

pytestmark = pytest.mark.services


def certificate(name):
    """A self-signed one with its key, as HAProxy reads it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return made.public_bytes(serialization.Encoding.PEM) + secret


def shown(port, name):
    """Serial number of the certificate that the edge shows for the name."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((HOST, port), 5) as plain, context.wrap_socket(plain, server_hostname=name) as tls:
        return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True)).serial_number


def get(port, name):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((HOST, port), 5) as plain, context.wrap_socket(plain, server_hostname=name) as tls:
        tls.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: tls.recv(4096), b"")).decode()


def test_certificates_of_a_folder(make_edge, marathon, tasks, tmp_path):
    folder, port = tmp_path / "certificates", free_port()
    folder.mkdir()
    edge = make_edge(certificates_dir=str(folder), https_port=port).start()
    marathon.put(vhost("/t", "t.example", [task("t", tasks.start("t"))], HAPROXY_0_REDIRECT_TO_HTTPS="true"))
    edge.serves("t.example")  # no certificate, no TLS, no redirect to it
    assert not listens(port)
    (folder / "a.pem").write_bytes(certificate("t.example"))
    until(lambda: listens(port), lambda: f"no TLS: {edge.log[-2000:]}")
    answer = until(lambda: found if (found := edge.get("t.example", "/x?y=z")).status == 302 else None, "no redirect")
    assert answer.headers["location"] == f"https://t.example:{port}/x?y=z"
    assert '"x-forwarded-proto": "https"' in get(port, "t.example")
    first = shown(port, "t.example")
    (folder / "b.pem").write_bytes(certificate("other.example"))
    until(lambda: shown(port, "other.example") != first, "the new certificate is not shown")
    assert shown(port, "t.example") == first
    (folder / "c.pem").write_text("not a certificate\n")
    until(lambda: "c.pem" in str(edge.problems()), lambda: f"nobody complains of it: {edge.health()}")
    (folder / "b.pem").unlink()
    until(lambda: shown(port, "other.example") == first, "a removed certificate is still shown")
    assert edge.settled()["failed_reloads"] == 0


def test_http_2_is_spoken_to_those_who_speak_it(make_edge, marathon, tasks, tmp_path):
    engine.install({"curl": "curl"}, lambda _node, _text: None, why="Python's own client speaks HTTP/1.1 alone")
    folder, port = tmp_path / "certificates", free_port()
    folder.mkdir()
    (folder / "a.pem").write_bytes(certificate("t.example"))
    edge = make_edge(certificates_dir=str(folder), https_port=port).start()
    marathon.put(vhost("/t", "t.example", [task("t", tasks.start("t"))]))
    edge.serves("t.example")
    until(lambda: listens(port), lambda: f"no TLS: {edge.log[-2000:]}")
    body = tmp_path / "body"
    body.write_text("x" * 300_000)
    for words, version, wanted in (
        (["--http2"], "2", '"name": "t"'),
        (["--http2", "--data-binary", f"@{body}"], "2", body.read_text()),
        (["--http1.1"], "1.1", '"name": "t"'),
    ):
        address = ["--insecure", "--resolve", f"t.example:{port}:{HOST}", f"https://t.example:{port}/"]
        told = ["--silent", "--show-error", "--max-time", "20", "--write-out", "\n%{http_version} %{http_code}"]
        done = subprocess.run(["curl", *told, *words, *address], capture_output=True, text=True, check=True)
        text, _, end = done.stdout.rpartition("\n")
        assert end == f"{version} 200"
        assert wanted in text
