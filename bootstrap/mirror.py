"""One folder (or tar) with everything that an environment is built from, for a network without any other source.

manifest.json   what it is for, and every file with its size and checksum
manifest.json.asc, key.asc   signature by the environment's key, and that key
SHA256SUMS      the same checksums for `sha256sum --check`
apt/            a signed flat repository: the closure of the Debian packages
artifacts/      archives, our own packages, images
wheelhouse/     Salt's wheels
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from bootstrap import catalogue, package_key, package_repository, paths, wheelhouse
from bootstrap.artifacts import Artifact, Store, file_sha256
from bootstrap.errors import ArtifactError, UsageError
from bootstrap.package_key import PackageKey
from bootstrap.plan import Plan
from bootstrap.process import Progress

FORMAT = 1
MANIFEST, SIGNATURE, KEY, SUMS = "manifest.json", "manifest.json.asc", "key.asc", "SHA256SUMS"
_BESIDE = {MANIFEST, SIGNATURE, SUMS}  # what the manifest does not list
_TARS = (".tar",)


def packages(plan: Plan) -> tuple[str, ...]:
    """The Debian packages that the plan's components install, by their defaults and this environment's settings."""
    wanted: dict[str, None] = {}
    for component in dict.fromkeys(name for phase in plan.phases for name in phase.components):
        file = paths.SALT / component / "defaults.yaml"
        defaults = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None
        values = {**(defaults or {}), **plan.cluster.settings.get(component, {})}
        found = values.get("packages") or []
        # A single `package` comes from Debian too, unless the component brings an archive of ours.
        if "package" in values and component not in plan.artifacts:
            found = [*found, values["package"]]
        wanted |= dict.fromkeys(str(name) for name in found)
    return tuple(wanted)


def make(plan: Plan, target: Path, progress: Progress) -> dict[str, Any]:
    """Fetch and build everything into `target`; the manifest. What is there already is made anew."""
    as_tar = target.suffix in _TARS
    if (
        target.exists()
        and (as_tar or not (target / MANIFEST).exists())
        and (not target.is_dir() or any(target.iterdir()))
    ):
        raise UsageError(
            f"{target} is there already, and is no mirror", next_step="name another place, or remove what is there"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
        draft = Path(scratch) / "mirror"
        manifest = _fill(plan, draft, progress)
        if as_tar:
            progress("", f"packing {target}")
            packed = Path(scratch) / "packed"
            with tarfile.open(packed, "w") as archive:
                archive.add(draft, ".")
            packed.replace(target)
        else:
            shutil.rmtree(target, ignore_errors=True)
            draft.replace(target)
    return manifest


def _fill(plan: Plan, draft: Path, progress: Progress) -> dict[str, Any]:
    key = PackageKey(plan.env, progress)
    store = Store(entries=catalogue.chosen(catalogue.load(), plan.cluster.versions))
    found = store.ensure(list(plan.artifacts), progress)
    (draft / "artifacts").mkdir(parents=True)
    for artifact in found.values():
        shutil.copy(artifact.path, draft / "artifacts" / artifact.file)
    own = [artifact.path for artifact in found.values() if artifact.file.endswith(".deb")]
    with _named_as_packages(own) as files:
        package_repository.fetch(packages(plan), files, draft / "apt", progress)
    progress("", "writing and signing the repository")
    count = package_repository.index(draft / "apt", key)
    wheels = wheelhouse.ensure(progress)
    shutil.copytree(wheels, draft / "wheelhouse" / wheels.name)
    (draft / KEY).write_bytes(key.public())
    manifest = {
        "format": FORMAT,
        "env": plan.env,
        "key": key.fingerprint(),
        "packages": count,
        "wheelhouse": wheels.name,
        "artifacts": {name: _row(artifact, store.made_from(name)) for name, artifact in found.items()},
        "files": {
            str(path.relative_to(draft)): {"sha256": file_sha256(path), "size": path.stat().st_size}
            for path in sorted(draft.rglob("*"))
            if path.is_file()
        },
    }
    text = f"{json.dumps(manifest, indent=1, sort_keys=True)}\n".encode()
    (draft / MANIFEST).write_bytes(text)
    (draft / SIGNATURE).write_bytes(key.sign(text))
    files_of: Mapping[str, Mapping[str, Any]] = manifest["files"]  # type: ignore[assignment]
    sums = {**{path: row["sha256"] for path, row in files_of.items()}, MANIFEST: hashlib.sha256(text).hexdigest()}
    (draft / SUMS).write_text("".join(f"{digest}  {path}\n" for path, digest in sums.items()), encoding="utf-8")
    return manifest


@contextmanager
def _named_as_packages(files: list[Path]) -> Iterator[list[Path]]:
    """apt takes a file for a package by its name only; the store names files by their checksum."""
    with tempfile.TemporaryDirectory(prefix="utopia-debs-") as folder:
        links = [Path(folder) / f"{number}.deb" for number in range(len(files))]
        for link, file in zip(links, files, strict=True):
            link.symlink_to(file)
        yield links


def _row(artifact: Artifact, made_from: str) -> dict[str, Any]:
    return {
        "version": artifact.version,
        "file": artifact.file,
        "sha256": artifact.sha256,
        "size": artifact.size,
        "licence": artifact.licence,
        "end_of_life": artifact.end_of_life and artifact.end_of_life.isoformat(),
        "made_from": made_from,
    }


@contextmanager
def opened(source: Path) -> Iterator[Path]:
    """The folder of a mirror that is a folder, or a tar."""
    if source.is_dir():
        yield source
        return
    if not source.is_file():
        raise UsageError(f"there is no mirror {source}", next_step="give the folder or the tar of `artifacts mirror`")
    with tempfile.TemporaryDirectory(prefix="utopia-mirror-", dir=paths.cache_dir()) as folder:
        try:
            with tarfile.open(source) as archive:
                archive.extractall(folder, filter="data")
        except tarfile.TarError as error:
            raise _damaged(source, [str(error)]) from error
        yield Path(folder)


def verify(folder: Path, fingerprint: str = "") -> dict[str, Any]:
    """Read every file again. Raises ArtifactError with everything that is wrong; the manifest when nothing is.

    `fingerprint`: of the key that the mirror must be signed with. Without it the mirror vouches for itself.
    """
    try:
        manifest = dict(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
        public = (folder / KEY).read_bytes()
    except (OSError, ValueError) as error:
        raise _damaged(folder, [f"{MANIFEST}: {error}"]) from error
    if manifest.get("format") != FORMAT:
        raise _damaged(folder, [f"{MANIFEST}: format {manifest.get('format')} is not {FORMAT}"])
    found = package_key.fingerprint(public)
    wrong = []
    if fingerprint and found != fingerprint.replace(" ", "").upper():
        wrong.append(f"{KEY}: it is the key {found}, not {fingerprint}")
    if not package_key.verified(public, folder / MANIFEST, folder / SIGNATURE):
        wrong.append(f"{SIGNATURE}: not a signature of {KEY} for {MANIFEST}")
    if not _clear_signed(public, folder / "apt"):
        wrong.append("apt/InRelease: not a signature of the key")
    wrong += _differences(folder, manifest["files"])
    if wrong:
        raise _damaged(folder, wrong)
    return manifest


def _clear_signed(public: bytes, apt: Path) -> bool:
    """Whether InRelease is Release, signed by the key."""
    try:
        signed = package_key.clear_text(public, apt / "InRelease")
        return signed is not None and signed.strip() == (apt / "Release").read_bytes().strip()
    except OSError:
        return False


def _differences(folder: Path, files: Mapping[str, Mapping[str, Any]]) -> list[str]:
    wrong = []
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    for path, row in files.items():
        if path not in there:
            wrong.append(f"{path}: is missing")
        elif (size := (folder / path).stat().st_size) != row["size"]:
            wrong.append(f"{path}: {size} bytes instead of {row['size']}")
        elif file_sha256(folder / path) != row["sha256"]:
            wrong.append(f"{path}: another content than its checksum says")
    return wrong + [f"{path}: is not in the manifest" for path in sorted(there - files.keys() - _BESIDE)]


def take(folder: Path, manifest: Mapping[str, Any], env: str) -> list[str]:
    """Put what a verified mirror holds where a run for `env` looks for it; remarks for the operator."""
    remarks = []
    store = Store()
    for name, row in manifest["artifacts"].items():
        if not store.adopt(name, folder / "artifacts" / row["file"], row["sha256"], row["made_from"]):
            remarks.append(f"{name} is none that this checkout wants: it will be fetched or built anew")
    wheels = paths.cache_dir() / "wheelhouse" / str(manifest["wheelhouse"])
    _replace(folder / "wheelhouse" / wheels.name, wheels)
    if wheels.name != wheelhouse.key():
        remarks.append("Salt's wheels are those of another checkout: they will be fetched anew")
    _replace(folder / "apt", repository(env))
    return remarks


def repository(env: str) -> Path:
    """The apt repository that was imported for an environment."""
    return paths.cache_dir() / "apt" / env


def _replace(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        shutil.copytree(source, draft, dirs_exist_ok=True)
        draft.chmod(0o755)
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _damaged(where: Path, lines: list[str]) -> ArtifactError:
    return ArtifactError(
        f"the mirror is not what was made: {len(lines)} {'things' if len(lines) > 1 else 'thing'} wrong",
        where=str(where),
        lines=lines[:50],
        cause="it was damaged or changed on its way",
        next_step="copy it again, or make it anew: bootstrap artifacts mirror --env ENV --to DIR",
    )
