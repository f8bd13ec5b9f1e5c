"""What the bootstrap left on this node, as it is now: `bootstrap cluster` compares it with what it wants.

One cheap call answers for the configuration the running minion loaded, for the files on disk and for
the custom modules in the minion's cache, so a node that is right needs no visit over SSH.
"""

import hashlib
import stat
from pathlib import Path


def fingerprint(token=""):
    """Hashes of the loaded configuration, of the files it lists, and of the custom modules.

    `sealed`: whether the states that `token` stands for still hold, as far as is known without a dry run (module seal).

    CLI Example: salt '*' bootstrap.fingerprint
    """
    sealed = bool(token) and "seal.intact" in __salt__ and __salt__["seal.intact"](token)
    return {
        "sealed": sealed,
        "loaded": __opts__.get("utopia_bootstrap_hash", ""),
        "files": files_hash(__opts__.get("utopia_bootstrap_files", [])),
        "modules": modules_hash(__opts__["extension_modules"]),
    }


def files_hash(paths):
    """One hash over paths, modes and contents; a missing file counts as such."""
    total = hashlib.sha256()
    for path in sorted(paths):
        try:
            mode = stat.S_IMODE(Path(path).stat().st_mode)
            content = _sha256(Path(path))
        except OSError:
            mode, content = 0, "missing"
        total.update(f"{path} {mode:o} {content}\n".encode())
    return total.hexdigest()


def modules_hash(folder):
    """One hash over the custom modules: `modules/readiness.py`, `states/restart.py`, ..."""
    total = hashlib.sha256()
    found = {path.relative_to(folder).as_posix(): path for path in Path(folder).rglob("*.py")}
    for name, path in sorted(found.items()):
        total.update(f"{name} {_sha256(path)}\n".encode())
    return total.hexdigest()


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
