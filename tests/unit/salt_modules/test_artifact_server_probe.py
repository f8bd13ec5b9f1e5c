"""The artifact server is ready when it answers over TLS that the environment's CA vouches for."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def self_signed(folder, name):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(encoding))
    plain = serialization.NoEncryption()
    (folder / f"{name}.key").write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain))
    return folder / f"{name}.crt", folder / f"{name}.key"


@pytest.fixture
def server(tmp_path):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_arguments):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(tmp_path, "server"))
    made = HTTPServer(("127.0.0.1", 0), Handler)
    made.socket = context.wrap_socket(made.socket, server_side=True)
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def test_artifact_server(load, server, tmp_path):
    pillar = {"artifacts": {"url": f"https://127.0.0.1:{server.server_port}"}}
    module = load("_modules/readiness", pillar=pillar)
    module.CA = str(tmp_path / "server.crt")
    assert module.probe("artifact-server") == {"ready": True, "mode": "", "detail": "answers over verified TLS"}


def test_a_certificate_of_another_authority_is_not_ready(load, server, tmp_path):
    pillar = {"artifacts": {"url": f"https://127.0.0.1:{server.server_port}"}}
    module = load("_modules/readiness", pillar=pillar)
    module.CA = str(self_signed(tmp_path, "other")[0])
    answer = module.probe("artifact-server")
    assert answer["ready"] is False
    assert "CERTIFICATE_VERIFY_FAILED" in answer["detail"]
