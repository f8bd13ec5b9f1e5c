"""A flat apt repository with the closure of some packages, signed by the environment's key.

The closure is computed as for a machine with nothing installed, so that it holds whatever a node lacks.
"""

from __future__ import annotations

import datetime
import gzip
import hashlib
import re
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bootstrap import apt_sources, engine
from bootstrap.errors import ArtifactError
from bootstrap.package_key import PackageKey
from bootstrap.process import Progress, run, stream

_SECONDS = 1800.0
_AT_ONCE = 4
_DROPPED = re.compile(r"^(Filename|Size|MD5sum|SHA1|SHA256):")


def fetch(packages: Sequence[str], files: Iterable[Path], folder: Path, progress: Progress) -> None:
    """Download `packages`, what the package `files` need, and everything below them into `folder`."""
    engine.install({"apt-get": "apt", "dpkg-deb": "dpkg"}, progress, why="packages are fetched with it")
    with tempfile.TemporaryDirectory(prefix="utopia-apt-") as scratch:
        apt = _apt(Path(scratch))
        progress("", "reading the lists of packages")
        _succeed(apt, ["update", "--error-on=any"])
        progress("", f"fetching {', '.join(packages[:4])}, ... with all that they need")
        _succeed(apt, ["install", "--yes", "--download-only", "--no-install-recommends", *packages, *map(str, files)])
        folder.mkdir(parents=True, exist_ok=True)
        for archive in sorted((Path(scratch) / "cache" / "archives").glob("*.deb")):
            archive.rename(folder / archive.name.replace("%3a", "-").replace("%3A", "-"))


def index(folder: Path, key: PackageKey) -> int:
    """Write Packages, Release, InRelease and key.asc for the packages in `folder`; how many there are."""
    archives = sorted(folder.glob("*.deb"))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        packages = "\n".join(pool.map(_stanza, archives)).encode()
    (folder / "Packages").write_bytes(packages)
    (folder / "Packages.gz").write_bytes(gzip.compress(packages, mtime=0))
    release = _release(folder, ["Packages", "Packages.gz"])
    (folder / "Release").write_bytes(release)
    (folder / "InRelease").write_bytes(key.clear_sign(release))
    (folder / "key.asc").write_bytes(key.public())
    for file in folder.iterdir():
        file.chmod(0o644)
    return len(archives)


def _apt(scratch: Path) -> list[str]:
    """An apt-get that knows this machine's sources and none of its packages, and keeps everything in `scratch`."""
    for name in ("state/lists/partial", "cache/archives/partial", "sources", "preferences"):
        (scratch / name).mkdir(parents=True)
    (scratch / "status").touch()
    (scratch / "sources" / "debian.sources").write_text(apt_sources.text(), encoding="utf-8")
    options = {
        "Dir::State": scratch / "state",
        "Dir::State::status": scratch / "status",
        "Dir::State::extended_states": scratch / "extended",
        "Dir::Cache": scratch / "cache",
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": scratch / "sources",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": scratch / "preferences",
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "Debug::NoLocking": "1",
        "Dpkg::Use-Pty": "0",
    }
    return ["apt-get", "--quiet", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]


def _succeed(apt: Sequence[str], words: Sequence[str]) -> None:
    done = stream([*apt, *words], lambda _line: None, timeout=_SECONDS)
    if not done.ok:
        raise ArtifactError(
            "the packages could not be fetched",
            where=f"apt-get {words[0]}",
            lines=done.tail(12),
            cause="the machine's apt sources do not answer, or do not have the package",
            next_step="`apt-get update` by hand shows more; when it works, run this again",
        )


def _stanza(archive: Path) -> str:
    done = run(["dpkg-deb", "--field", str(archive)], timeout=60)
    if not done.ok:
        raise ArtifactError(
            f"{archive.name} is no Debian package", where=str(archive), lines=done.tail(), next_step="run it again"
        )
    fields = [line for line in done.out.strip().splitlines() if not _DROPPED.match(line)]
    with archive.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    own = [f"Filename: ./{archive.name}", f"Size: {archive.stat().st_size}", f"SHA256: {digest}"]
    return "\n".join([*fields, *own, ""])


def _release(folder: Path, names: Sequence[str]) -> bytes:
    now = datetime.datetime.now(datetime.UTC).strftime("%a, %d %b %Y %H:%M:%S UTC")
    sums = []
    for name in names:
        content = (folder / name).read_bytes()
        sums.append(f" {hashlib.sha256(content).hexdigest()} {len(content)} {name}")
    head = ["Origin: Utopia", "Label: Utopia", "Suite: stable", f"Date: {now}", "Architectures: amd64 all", "SHA256:"]
    return "\n".join([*head, *sums, ""]).encode()
