"""The environment's certificate authority and the certificates it issues (EC P-256).

Kept under `state/<env>/ca/`, keys as 0600 files. A certificate is issued again when the names or
addresses asked for change, when it nears its end, or when the CA is another one.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bootstrap import paths

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import CertificateBuilder, GeneralName, Name

CA_DAYS = 3650
LEAF_DAYS = 825  # the longest that common TLS clients accept
RENEW_DAYS = 30  # issued again when fewer days remain
_SKEW = datetime.timedelta(hours=1)  # clocks of new machines may lag behind


class Authority:
    """The CA of one environment, made at first use."""

    def __init__(self, env: str) -> None:
        self._env = env
        self._folder = paths.state_dir(env) / "ca"
        self._folder.mkdir(mode=0o700, exist_ok=True)

    def __repr__(self) -> str:
        return f"Authority({self._folder})"

    @property
    def ca_path(self) -> Path:
        """The CA certificate's file, which exists once this returns."""
        path = self._folder / "ca.crt"
        if not path.exists():
            self._make()
        return path

    @property
    def ca_pem(self) -> bytes:
        """The CA certificate."""
        return self.ca_path.read_bytes()

    def issue(self, node: str, names: Iterable[str], addresses: Iterable[str]) -> tuple[bytes, bytes]:
        """`node`'s server certificate and key as PEM, valid for these DNS names and IP addresses."""
        from cryptography import x509

        wanted: list[GeneralName] = [x509.DNSName(name) for name in names]
        wanted += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        crt, key = self._folder / f"{node}.crt", self._folder / f"{node}.key"
        if not (crt.exists() and key.exists() and self._still_good(crt.read_bytes(), key.read_bytes(), wanted)):
            certificate, private = self._sign(node, wanted)
            _write(key, private)
            _write(crt, certificate)
        return crt.read_bytes(), key.read_bytes()

    def _still_good(self, crt: bytes, key: bytes, wanted: list[GeneralName]) -> bool:
        from cryptography import x509
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            certificate = x509.load_pem_x509_certificate(crt)
            private = load_pem_private_key(key, None)
            certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(self.ca_pem))
        except (ValueError, TypeError, InvalidSignature):
            return False  # cut short, or of a CA that is gone
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        left = certificate.not_valid_after_utc - _now()
        return (
            set(names) == set(wanted)
            and left > datetime.timedelta(days=RENEW_DAYS)
            and private.public_key() == certificate.public_key()
        )

    def _make(self) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(ca_name(self._env))
        usage = x509.KeyUsage(
            key_cert_sign=True,
            crl_sign=True,
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = _builder(name, name, key, CA_DAYS).add_extension(usage, critical=True)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        # The key first: a run that ends between the two makes the pair anew, and nothing trusts it yet.
        _write(self._folder / "ca.key", _key_pem(key))
        _write(self._folder / "ca.crt", _sign(builder, key))

    def _sign(self, node: str, names: list[GeneralName]) -> tuple[bytes, bytes]:
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        ca = x509.load_pem_x509_certificate(self.ca_pem)
        ca_key = load_pem_private_key((self._folder / "ca.key").read_bytes(), None)
        if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{self._folder / 'ca.key'} holds no elliptic curve key")
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(node), ca.subject, key, LEAF_DAYS)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        usage = x509.ExtendedKeyUsage(
            [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH, x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]
        )
        builder = builder.add_extension(usage, critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
        return _sign(builder.add_extension(issuer, critical=False), ca_key), _key_pem(key)


def ca_name(env: str) -> str:
    """What the CA of an environment is called in its certificates."""
    return f"utopia {env} CA"


def issuer_name(certificate: bytes) -> str:
    """What the issuer of a PEM certificate is called; "" when nothing can be read."""
    from cryptography import x509

    try:
        names = x509.load_pem_x509_certificate(certificate).issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    except ValueError:
        return ""
    return str(names[0].value) if names else ""


def is_issued_by(certificate: bytes, ca: bytes) -> bool:
    """Whether this CA signed it."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    try:
        x509.load_pem_x509_certificate(certificate).verify_directly_issued_by(x509.load_pem_x509_certificate(ca))
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _builder(subject: Name, issuer: Name, key: EllipticCurvePrivateKey, days: int) -> CertificateBuilder:
    from cryptography import x509

    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - _SKEW)
        .not_valid_after(_now() + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _sign(builder: CertificateBuilder, key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _key_pem(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _name(common: str) -> Name:
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, common)])


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, and readable by us alone from the first byte."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
