"""Whether an environment's machines are those that this state folder knows: its name, and its CA's signature.

Asked before anything is said of them: to another folder everything on them looks broken.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from bootstrap import paths, salt_files, state_folder
from bootstrap.certificates import ca_name, is_issued_by, issuer_name
from bootstrap.model import ADMIN_ROLE, Cluster

if TYPE_CHECKING:
    from bootstrap.hosts import Hosts

SECONDS = 1.0  # to ask in; a healthy admin node answers within hundredths
_SERVED = "salt-api"  # the port of the admin node whose certificate is looked at: it is the first to be there


def refuse(cluster: Cluster, *, seconds: float = SECONDS) -> None:
    """Raises UsageError where the folder is another environment's, SaltError where the machines are another folder's.

    Asks the admin node for the certificate that it shows to everybody. One that does not answer proves nothing.
    """
    state_folder.check(cluster)
    ours = paths.state_path(cluster.env) / "ca" / "ca.crt"
    for admin in cluster.with_role(ADMIN_ROLE):
        port = next(port.number for port in cluster.roles[ADMIN_ROLE].ports if port.name == _SERVED)
        shown = _shown(str(admin.address), port, seconds)
        if shown is None or issuer_name(shown) != ca_name(cluster.env):
            continue  # of nobody who goes by this name: what is asked next says what is wrong
        if not ours.is_file() or not is_issued_by(shown, ours.read_bytes()):
            line = f"{admin.name} shows a certificate ({port}/tcp) that this folder's CA has not signed"
            raise state_folder.other(cluster.env, admin.name, line)


def refuse_by_file(cluster: Cluster, hosts: Hosts) -> None:
    """The same, from the CA that the admin node trusts: known before any service runs. Raises SaltError."""
    admin = cluster.with_role(ADMIN_ROLE)[0].name
    read = hosts.run(admin, f"sha256sum {salt_files.CA}", sudo=True, stdin="", timeout=20)
    ours = paths.state_path(cluster.env) / "ca" / "ca.crt"
    if read.ok:
        wanted = ours.read_bytes() if ours.is_file() else b""
        state_folder.refuse_other(cluster.env, admin, salt_files.CA, wanted, read.out.split()[0])


def _shown(address: str, port: int, seconds: float) -> bytes | None:
    """The certificate of a server, unverified: whose it is is what is to be found out. Nothing is sent to it."""
    try:
        return ssl.get_server_certificate((address, port), timeout=seconds).encode()
    except OSError:
        return None
