"""The fingerprint of a public key in OpenPGP's format, without a program of its own on the node (RFC 4880)."""

import base64
import binascii
import hashlib
import re
from pathlib import Path

_PUBLIC_KEY = 6  # the packet with a primary key
_ARMOUR = re.compile(rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(.*?)-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL)


def fingerprints(path):
    """Of every primary key in the file, armoured or not, in capital letters. ValueError where it is no key."""
    data = Path(path).read_bytes()
    armoured = _ARMOUR.search(data)
    found = [_of(body) for tag, body in _packets(_bare(armoured[1]) if armoured else data) if tag == _PUBLIC_KEY]
    if not found:
        raise ValueError(f"{path} holds no OpenPGP public key")
    return found


def dearmoured(path):
    """The file's content as apt reads it in every version: not armoured."""
    data = Path(path).read_bytes()
    armoured = _ARMOUR.search(data)
    return _bare(armoured[1]) if armoured else data


def _bare(block):
    """Headers end at an empty line; the last line is a checksum."""
    lines = block.replace(b"\r", b"").split(b"\n")
    if b"" in lines[:-1]:
        lines = lines[lines.index(b"") + 1 :]
    try:
        return base64.b64decode(b"".join(line for line in lines if not line.startswith(b"=")))
    except binascii.Error as error:
        raise ValueError(f"the armour is broken: {error}") from None


def _of(body):
    if body[:1] != b"\x04":
        raise ValueError("only keys of version 4 are known")
    digest = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body)  # noqa: S324 - what the format asks for
    return digest.hexdigest().upper()


def _packets(data):
    place = 0
    while place < len(data):
        first = data[place]
        if not first & 0x80:
            raise ValueError("not in OpenPGP's format")
        if first & 0x40:
            tag = first & 0x3F
            place, length = _new_length(data, place + 1)
        else:
            size = 1 << (first & 3)
            if size > 4:
                raise ValueError("a packet without a length")
            length = int.from_bytes(data[place + 1 : place + 1 + size], "big")
            tag, place = (first >> 2) & 0xF, place + 1 + size
        yield tag, data[place : place + length]
        place += length


def _new_length(data, place):
    """(where the body begins, its length)."""
    first = data[place]
    if first < 192:
        return place + 1, first
    if first < 224:
        return place + 2, ((first - 192) << 8) + data[place + 1] + 192
    if first == 255:
        return place + 5, int.from_bytes(data[place + 1 : place + 5], "big")
    raise ValueError("packets of partial lengths are not known")
