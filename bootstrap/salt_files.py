"""The files that make a Salt master and its minions: pure, content by absolute path and mode.

What the master serves (states, pillar) and what it is (configuration, keys) are kept apart, since only the
latter calls for a restart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bootstrap.salt_keys import KeyPair

Files = Mapping[str, tuple[bytes, int]]

BIN = "/opt/saltstack/salt/bin"
STATES = "/srv/utopia/salt"
PILLAR = "/srv/utopia/pillar"
ARTIFACTS = "/srv/utopia/artifacts"
ACCEPTED = "/etc/salt/pki/master/minions"
TLS = "/etc/utopia/tls"
CA = "/etc/utopia/ca.crt"
EXTENSIONS = "/var/cache/salt/minion/extmods"
API_USER = "bootstrap"
_USERS = "/etc/salt/api-users"
_HEAD = "# Managed by bootstrap - edit bootstrap/salt_files.py\n"

# Salt 3008.3 leaves a task of its event bus pending at each job, of which asyncio then complains twice.
_QUIETER = {"asyncio": "critical"}

_UNIT = """\
# Managed by bootstrap - edit bootstrap/salt_files.py
[Unit]
Description=Salt {name}
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
NotifyAccess=all
Environment=LC_ALL=C.UTF-8
ExecStart={bin}/salt-{name} --log-level=warning{options}
LimitNOFILE=100000
Restart=always
RestartSec=1
TimeoutStopSec=20
{extra}
[Install]
WantedBy=multi-user.target
"""
# Jobs are children of the minion: stopping it must not stop a package installation half way.
_EXTRA = {"minion": "KillMode=process\n", "master": "", "api": ""}
# systemd restarts the minion; its own second process would outlive the first, and doubles the time to stop.
_OPTIONS = {"minion": " --disable-keepalive", "master": "", "api": ""}


def states(folder: Path) -> dict[str, tuple[bytes, int]]:
    """The states under `folder` as the master serves them."""
    files = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        hidden = any(part.startswith((".", "__pycache__")) for part in relative.parts)
        if path.is_file() and not hidden and path.suffix != ".pyc":
            files[f"{STATES}/{relative}"] = (path.read_bytes(), 0o644)
    return files


def state_sums(folder: Path) -> dict[str, str]:
    """The checksums of these states, by the path that the master serves them under."""
    files = states(folder)
    return {
        path.removeprefix(f"{STATES}/"): hashlib.sha256(content).hexdigest() for path, (content, _) in files.items()
    }


def extensions(folder: Path) -> dict[str, bytes]:
    """The custom modules under `folder`, named as in a minion's cache: `modules/readiness.py`."""
    return {
        f"{path.parent.name.removeprefix('_')}/{path.name}": path.read_bytes()
        for path in sorted(folder.glob("_*/*.py"))
        if not path.parent.name.startswith("__")
    }


def extensions_hash(modules: Mapping[str, bytes]) -> str:
    """As `bootstrap.fingerprint` (salt/_modules/bootstrap.py) counts them on a node."""
    lines = (f"{path} {hashlib.sha256(modules[path]).hexdigest()}\n" for path in sorted(modules))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def pillar(cluster: Mapping[str, Any], nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[bytes, int]]:
    """The resolved pillar; `nodes` with their secrets. Who gets what is told by the minion's id alone."""
    # One line for all nodes: the id is the one the minion's key was accepted for, not a grain.
    top = '#!jinja|json\n{"base": {"*": ["cluster", "nodes.{{ opts[\'id\'] }}"]}}\n'
    files = {
        f"{PILLAR}/": (b"", 0o700),
        f"{PILLAR}/top.sls": (top.encode(), 0o600),
        f"{PILLAR}/cluster.sls": (_json_sls(cluster), 0o600),
    }
    return files | {f"{PILLAR}/nodes/{name}.sls": (_json_sls(values), 0o600) for name, values in nodes.items()}


def tls(certificate: tuple[bytes, bytes]) -> dict[str, tuple[bytes, int]]:
    """The admin node's server certificate, for salt-api and the artifact server."""
    return {f"{TLS}/server.crt": (certificate[0], 0o644), f"{TLS}/server.key": (certificate[1], 0o600)}


def accepted_keys(minions: Mapping[str, KeyPair]) -> dict[str, tuple[bytes, int]]:
    """The minions the master knows: these and no others."""
    return {f"{ACCEPTED}/{name}": (pair.public, 0o644) for name, pair in minions.items()}


def master(
    admin: str, keys: KeyPair, password: str, *, address: str, port: int, nodes: int
) -> dict[str, tuple[bytes, int]]:
    """Master and API: configuration, keys, units. A change calls for a restart."""
    user = f"{API_USER}:{hashlib.sha512(password.encode()).hexdigest()}\n"
    return {
        "/etc/salt/pki/master/": (b"", 0o700),
        # Named by the master's id, with the mode it gives them: it would rename and link a master.pem.
        f"/etc/salt/pki/master/{admin}.pem": (keys.private, 0o400),
        f"/etc/salt/pki/master/{admin}.pub": (keys.public, 0o400),
        "/etc/salt/master": (_yaml({"id": admin, **_master(address, port, nodes)}), 0o640),
        _USERS: (user.encode(), 0o600),
        "/etc/systemd/system/salt-master.service": (_unit("master"), 0o644),
        "/etc/systemd/system/salt-api.service": (_unit("api"), 0o644),
    }


def minion(
    node: str, keys: KeyPair, master_key: bytes, ca: bytes, *, master: str, nodes: int
) -> tuple[dict[str, tuple[bytes, int]], str]:
    """A minion's files, and their hash, which the running minion knows too."""
    files = {
        "/etc/salt/minion": (_yaml(_minion(node, master, nodes)), 0o644),
        "/etc/salt/pki/minion/minion.pem": (keys.private, 0o400),
        "/etc/salt/pki/minion/minion.pub": (keys.public, 0o644),
        "/etc/salt/pki/minion/minion_master.pub": (master_key, 0o644),
        CA: (ca, 0o644),
        "/etc/systemd/system/salt-minion.service": (_unit("minion"), 0o644),
    }
    mark = files_hash(files)
    known = {"utopia_bootstrap_hash": mark, "utopia_bootstrap_files": sorted(files)}
    return {
        **files,
        "/etc/salt/pki/minion/": (b"", 0o700),
        "/etc/salt/minion.d/utopia.conf": (_yaml(known), 0o644),
    }, mark


def files_hash(files: Files) -> str:
    """As `bootstrap.fingerprint` counts them on a node."""
    total = hashlib.sha256()
    for path, (content, mode) in sorted(files.items()):
        total.update(f"{path} {mode:o} {hashlib.sha256(content).hexdigest()}\n".encode())
    return total.hexdigest()


def _master(address: str, port: int, nodes: int) -> dict[str, Any]:
    return {
        "interface": address,
        "user": "root",
        "pki_dir": "/etc/salt/pki/master",
        "cachedir": "/var/cache/salt/master",
        "auto_accept": False,
        "worker_threads": 3 if nodes <= 20 else min(24, 4 + nodes // 100),
        "timeout": 5,
        "gather_job_timeout": 5,
        "keep_jobs_seconds": 3600,
        "minion_data_cache": False,  # would keep every minion's pillar, hence secrets, on the master's disk
        "pillar_cache": False,
        "file_roots": {"base": [STATES]},
        "pillar_roots": {"base": [PILLAR]},
        "fileserver_list_cache_time": 0,  # states pushed a second ago must be found
        "log_file": "/dev/null",
        "log_level_logfile": "quiet",  # the journal has what is said on stderr
        "log_granular_levels": _QUIETER,
        "external_auth": {
            "file": {"^filename": _USERS, "^hashtype": "sha512", API_USER: [".*", "@runner"]},
        },
        "netapi_enable_clients": ["local_async", "runner"],
        "rest_cherrypy": {
            "host": address,
            "port": port,
            "ssl_crt": f"{TLS}/server.crt",
            "ssl_key": f"{TLS}/server.key",
            "thread_pool": 20,
        },
    }


def _minion(node: str, master: str, nodes: int) -> dict[str, Any]:
    few = nodes <= 50
    return {
        "id": node,
        "master": master,
        "pki_dir": "/etc/salt/pki/minion",
        "cachedir": "/var/cache/salt/minion",
        "extension_modules": EXTENSIONS,
        "ca_bundle": CA,
        "master_tries": -1,
        "auth_tries": 10,
        "acceptance_wait_time": 1,
        "random_reauth_delay": 1 if few else 30,  # seconds over which minions spread after a master's restart
        "recon_default": 100 if few else 1000,  # milliseconds
        "recon_max": 500 if few else 10000,
        "recon_randomize": not few,
        "mine_enabled": False,
        "enable_fqdns_grains": False,  # asks DNS for every address
        "enable_gpu_grains": False,
        "log_file": "/dev/null",
        "log_level_logfile": "quiet",
        "log_granular_levels": _QUIETER,
    }


def _unit(name: str) -> bytes:
    return _UNIT.format(name=name, bin=BIN, options=_OPTIONS[name], extra=_EXTRA[name]).encode()


def _yaml(values: Mapping[str, Any]) -> bytes:
    return (_HEAD + yaml.safe_dump(values, sort_keys=True)).encode()


def _json_sls(values: Mapping[str, Any]) -> bytes:
    return f"#!json\n{json.dumps(values, sort_keys=True, indent=1)}\n".encode()
