"""What the Salt master serves, kept as it should be: looked at in one round trip, only differences sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bootstrap.artifacts import Artifact
from bootstrap.salt_files import ACCEPTED, ARTIFACTS, PILLAR, STATES, Files

# Reads paths on stdin. sha256sum, stat and find say which files are missing by their status, hence `|| true`.
INSPECT = f"""\
set -eu
list=$(mktemp); trap 'rm -f "$list"' EXIT; cat >"$list"
echo "== sums"; xargs -r -d '\\n' -a "$list" sha256sum 2>/dev/null || true
echo "== modes"; xargs -r -d '\\n' -a "$list" stat -c '%a %n' 2>/dev/null || true
echo "== tree"; find {STATES} {PILLAR} {ACCEPTED} -type f 2>/dev/null || true
echo "== artifacts"; find {ARTIFACTS} -type f -printf '%s %p\\n' -o -type l -printf '%l %p\\n' 2>/dev/null || true
echo "== unknown"; for state in pre denied rejected; do ls -1 {ACCEPTED}_$state 2>/dev/null || true; done
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What INSPECT saw. `artifacts`: path -> size in bytes, or the target of a link."""

    sums: Mapping[str, str]
    modes: Mapping[str, int]
    tree: frozenset[str]
    artifacts: Mapping[str, str]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """What has to be put and removed."""

    files: Files
    remove: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.files or self.remove)


def parse(output: str) -> Found:
    """Read INSPECT's output."""
    parts: dict[str, list[str]] = {}
    current: list[str] = []
    for line in output.splitlines():
        if line.startswith("== "):
            current = parts.setdefault(line[3:], [])
        else:
            current.append(line)
    sums = (line.split("  ", 1) for line in parts.get("sums", []))
    modes = (line.split(" ", 1) for line in parts.get("modes", []))
    artifacts = (line.split(" ", 1) for line in parts.get("artifacts", []))
    return Found(
        {path: digest for digest, path in sums},
        {path: int(mode, 8) for mode, path in modes},
        frozenset(parts.get("tree", [])),
        {path: what for what, path in artifacts},
        tuple(parts.get("unknown", [])),
    )


def difference(wanted: Files, found: Found) -> Difference:
    """Files that are missing, differ or have another mode; and files in our folders that nobody wants."""
    put = {
        path: (content, mode)
        for path, (content, mode) in wanted.items()
        if found.modes.get(path) != mode
        or (not path.endswith("/") and found.sums.get(path) != hashlib.sha256(content).hexdigest())
    }
    return Difference(put, tuple(sorted(found.tree - wanted.keys())))


def served(artifact: Artifact) -> str:
    """Where an artifact lies on the master; the name that nodes ask for is a link to it."""
    return f"{ARTIFACTS}/sha256/{artifact.sha256}"


def missing(artifacts: Iterable[Artifact], found: Found) -> list[Artifact]:
    """Artifacts to be sent: files are named by their checksum and come by a rename, so the size tells enough."""
    return [artifact for artifact in artifacts if found.artifacts.get(served(artifact)) != str(artifact.size)]


def take_from_cache(artifacts: Iterable[Artifact]) -> str:
    """A script: what the machine image holds already need not be sent. Prints the checksums it found."""
    lines = [f"set -eu; umask 022; mkdir -p {ARTIFACTS}/sha256"]
    lines += [
        f"cached=/var/cache/utopia/artifacts/{artifact.file}\n"
        f'if [ -f "$cached" ] && echo "{artifact.sha256}  $cached" | sha256sum --check --status; then\n'
        f'  cp -- "$cached" {served(artifact)}.utopia-new\n'
        f"  mv -fT {served(artifact)}.utopia-new {served(artifact)}\n"
        f"  echo {artifact.sha256}\nfi"
        for artifact in artifacts
    ]
    return "\n".join(lines)


def link_names(artifacts: Iterable[Artifact], found: Found) -> str:
    """A script that gives artifacts their names and removes what nobody wants; "" when all is well."""
    wanted = list(artifacts)
    links = {f"{ARTIFACTS}/{artifact.file}": f"sha256/{artifact.sha256}" for artifact in wanted}
    keep = links.keys() | {served(artifact) for artifact in wanted}
    stale = sorted(found.artifacts.keys() - keep)
    lines = [f"ln -sfnT {target} {path}" for path, target in links.items() if found.artifacts.get(path) != target]
    return "\n".join([*lines, *(f"rm -f -- '{path}'" for path in stale)])
