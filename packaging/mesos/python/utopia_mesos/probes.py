"""HTTP and TCP probes of a task, in its network namespace if it has one of its own."""

from __future__ import annotations

import ctypes
import os
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence

CLONE_NEWNET = 0x40000000


def enter_network_of(pid: int) -> None:
    """Move the calling thread, and no other, into the network namespace of process `pid`."""
    libc = ctypes.CDLL(None, use_errno=True)
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(namespace, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(namespace)


def http_status(scheme: str, port: int, path: str, timeout: float) -> int:
    """Status code of a GET to the loopback address. Redirects are followed; proxies are not used.

    The certificate is not verified: the address is an inner one of the task, no name fits it.
    """
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=_unverified())
    )
    url = f"{scheme}://127.0.0.1:{port}/{path.lstrip('/')}"
    try:
        with opener.open(url, timeout=timeout) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def _unverified() -> ssl.SSLContext:
    """Without the machine's list of authorities: reading it takes longer than the probe itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def tcp_connect(port: int, timeout: float) -> None:
    """Connect to a port of the loopback address."""
    socket.create_connection(("127.0.0.1", port), timeout=timeout).close()


def exit_status(
    arguments: Sequence[str],
    timeout: float,
    environment: Mapping[str, str] | None = None,
    executable: str | None = None,
) -> int:
    """Run a command with its output in the sandbox; its whole process group ends at the timeout."""
    with subprocess.Popen(
        arguments, executable=executable, stdin=subprocess.DEVNULL, env=environment, process_group=0
    ) as process:
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            raise
