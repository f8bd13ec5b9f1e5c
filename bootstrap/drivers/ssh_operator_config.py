"""What the operator's own ssh_config says of a name. OpenSSH reads it (`ssh -G`), which connects to nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bootstrap.drivers.ssh_access import Found, LookUp, nothing
from bootstrap.errors import UsageError
from bootstrap.process import run

_AT_ONCE = 8
_NONE = "none"


def reader(file: Path | None, names: Iterable[str]) -> LookUp:
    """Looks names up; all of `names` are read at once. A jump host is looked up when it is met."""
    if file is None:
        return nothing
    if not file.is_file():
        raise UsageError(
            "the ssh_config of the topology is not there",
            where=f"driver.ssh_config: {file}",
            next_step="correct the path, or take driver.ssh_config out",
        )
    plain = _ask(Path("/dev/null"), "-")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        wanted = list(names)
        known = dict(zip(wanted, pool.map(lambda name: _read(file, name, plain), wanted), strict=True))

    def look_up(name: str) -> Found:
        if name not in known:
            known[name] = _read(file, name, plain)
        return known[name]

    return look_up


def _ask(file: Path, name: str) -> dict[str, list[str]]:
    """Every option with its values, as OpenSSH would use them."""
    host = "localhost" if name == "-" else name
    done = run(["ssh", "-G", "-F", str(file), host], timeout=20)
    if not done.ok:
        raise UsageError(
            "OpenSSH cannot read the ssh_config of the topology",
            where=str(file),
            lines=done.tail(),
            next_step=f"`ssh -G -F {file} {host}` says the same; correct the file",
        )
    options: dict[str, list[str]] = {}
    for line in done.out.splitlines():
        key, _, value = line.partition(" ")
        options.setdefault(key, []).append(value)
    return options


def _read(file: Path, name: str, plain: Mapping[str, list[str]]) -> Found:
    """Only what the file says: what OpenSSH would do without it is no statement."""
    options = _ask(file, name)
    if options.get("proxycommand", [_NONE]) != [_NONE]:
        raise UsageError(
            f"the ssh_config reaches {name} through a ProxyCommand",
            where=str(file),
            cause="only jump hosts are understood, whose keys can be checked",
            next_step="write ProxyJump instead",
        )

    def said(key: str) -> str:
        values = options.get(key, [])
        return values[0] if values and values != plain.get(key) else ""

    host = options.get("hostname", [name])[0]
    key = said("identityfile")
    return Found(
        address="" if host == name else host,
        port=int(said("port") or 0),
        user=said("user"),
        key=str(Path(key).expanduser()) if key else "",
        jump=tuple(_hop(text) for text in said("proxyjump").split(",") if text and text != _NONE),
    )


def _hop(text: str) -> dict[str, str | int]:
    """`[user@]host[:port]`, or a URI of the same."""
    user, _, place = text.removeprefix("ssh://").rpartition("@")
    host, _, port = place.partition(":")
    hop: dict[str, str | int] = {"address": host}
    if user:
        hop["user"] = user
    if port:
        hop["port"] = int(port)
    return hop
