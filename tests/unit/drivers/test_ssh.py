"""Host keys of machines we did not make."""

import base64
import hmac

import pytest

from bootstrap.host_keys import KnownHosts

PLAIN = """\
# a comment
web,10.0.0.1 ssh-ed25519 AAAAplain comment
[10.0.0.1]:2222 ssh-rsa AAAAport
10.0.0.1 ssh-rsa AAAAsecond
@revoked 10.0.0.3 ssh-rsa AAAArevoked
@cert-authority *.example.com ssh-rsa AAAAauthority
broken
"""


def hashed(name):
    salt = b"0123456789abcdefghij"
    digest = hmac.digest(salt, name.encode(), "sha1")
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()} ssh-ed25519 AAAAhashed\n"


@pytest.fixture
def known(tmp_path):
    file = tmp_path / "known_hosts"
    file.write_text(PLAIN + hashed("10.0.0.2"))
    return KnownHosts([tmp_path / "absent", file])


@pytest.mark.parametrize(
    ("names", "port", "keys"),
    [
        (["10.0.0.1"], 22, ("ssh-ed25519 AAAAplain", "ssh-rsa AAAAsecond")),
        (["10.0.0.1"], 2222, ("ssh-rsa AAAAport",)),
        (["10.0.0.2"], 22, ("ssh-ed25519 AAAAhashed",)),
        (["10.0.0.2"], 2222, ()),
        (["10.0.0.3"], 22, ()),
        (["10.9.9.9", "web"], 22, ("ssh-ed25519 AAAAplain",)),
    ],
)
def test_keys_by_name_and_port(known, names, port, keys):
    assert known.keys(names, port) == keys
