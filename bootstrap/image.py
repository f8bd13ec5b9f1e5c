"""The machine image: Debian, Salt and what the install steps of the states put there.

Its tag is a hash of everything that went into it, so it is made once and made anew when a state,
a package list or an artifact changes. Converging does the rest on the machines.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bootstrap import apt_sources, config, engine, file_lock, paths, wheelhouse
from bootstrap.drivers.docker_cli import attempt, docker, inspect, labelled
from bootstrap.errors import MachinesError
from bootstrap.model import Cluster, Role
from bootstrap.process import Progress, run

if TYPE_CHECKING:
    from bootstrap.artifacts import Artifact

REPOSITORY = "utopia-machine"
BASE_REPOSITORY = "utopia-base"
IMAGE_LABEL = "utopia.image"
SCRIPTS = paths.CHECKOUT / "packaging" / "image"
_FORMAT = "1"  # raise when baking.py changes what comes out
_BASE_SECONDS = 1200.0
_KEPT = 3  # images: going back to an earlier commit should not mean baking again


def ensure(cluster: Cluster, progress: Progress) -> str:
    """The image reference for `cluster`: `utopia-machine:<key>`, baked now if need be."""
    from bootstrap import artifacts, baking, catalogue

    entries = catalogue.load()
    roles = image_roles(cluster)
    named = {name for role in roles for name in role.artifacts}
    wanted = sorted(name for name in named if name not in entries or entries[name].baked)
    found = artifacts.ensure(wanted, progress, cluster.versions)
    components = component_order(roles)
    given = str(cluster.driver_settings.get("base") or "")
    base = _given_base(given, progress) if given else f"{BASE_REPOSITORY}:{base_key()}"
    reference = f"{REPOSITORY}:{key(components, found, _identity(base) if given else base)}"
    if inspect("image", [reference]):
        return reference
    with file_lock.exclusive(paths.cache_dir() / "image" / f"{reference.partition(':')[2]}.lock"):
        if not inspect("image", [reference]):
            if not given:
                _make_base(base, progress)
            progress("", f"baking {reference} (once; a few minutes)")
            wheels = wheelhouse.ensure(progress)
            baking.bake(reference, base=base, components=components, artifacts=found, wheels=wheels, progress=progress)
            _prune(reference)
    return reference


def roles_in_use(cluster: Cluster) -> list[Role]:
    """The roles that a node has, in the table's order: no image carries what nobody runs."""
    return [role for role in cluster.roles.values() if cluster.with_role(role.name)]


def image_roles(cluster: Cluster) -> list[Role]:
    """The roles whose install steps the image has: those in use, and with driver.image_of those of that environment,
    too, so that small environments beside a large one need no image of their own.
    """
    other = str(cluster.driver_settings.get("image_of") or "")
    rows = {role.name: role for role in roles_in_use(config.load(other))} if other else {}
    rows |= {role.name: role for role in roles_in_use(cluster)}
    return [rows[name] for name in cluster.roles if name in rows]


def component_order(roles: Iterable[Role]) -> tuple[str, ...]:
    """Every component of the roles once, in the table's order, `base` first."""
    rows = list(roles)
    present = {role.name for role in rows}
    names = [component for role in rows for component in role.beside_roles(present).components]
    return tuple(dict.fromkeys(["base", *names]))


def key(
    components: Iterable[str], artifacts: Mapping[str, Artifact], base: str, checkout: Path = paths.CHECKOUT
) -> str:
    """A hash of what goes into the image: scripts, lock, install steps, artifacts and base."""
    digest = hashlib.sha256()
    names = list(components)
    digest.update(json.dumps([_FORMAT, names, base, sorted(a.sha256 for a in artifacts.values())]).encode())
    for path in input_files(names, checkout):
        digest.update(f"\0{path.relative_to(checkout)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def input_files(components: Iterable[str], checkout: Path = paths.CHECKOUT) -> list[Path]:
    """The files of the checkout that a bake reads, sorted."""
    files = {path for path in (checkout / "packaging" / "image").glob("*") if path.is_file()}
    files |= {
        checkout / "packaging" / "salt" / name for name in ("requirements.lock", "build-constraints.txt", "install.sh")
    }
    for component in components:
        folder = checkout / "salt" / component
        files |= {folder / name for name in ("install.sls", "defaults.yaml", "map.jinja")}
        install = folder / "install.sls"
        if install.is_file():
            used = re.findall(r"salt://([\w./-]+)", install.read_text(encoding="utf-8"))
            files |= {checkout / "salt" / name for name in used}
    return sorted(path for path in files if path.is_file())


def base_reference(progress: Progress) -> str:
    """The image of Debian alone, without anything of ours; made now if need be."""
    reference = f"{BASE_REPOSITORY}:{base_key()}"
    _make_base(reference, progress)
    return reference


def base_key() -> str:
    """A hash of what the base file system is made from."""
    digest = hashlib.sha256(apt_sources.text().encode())
    for name in ("base.sh", "packages"):
        digest.update((SCRIPTS / name).read_bytes())
    return digest.hexdigest()[:16]


def _make_base(reference: str, progress: Progress) -> None:
    """Debian's own packages into an image, once for all machine images that start from it."""
    folder = paths.cache_dir() / "image"
    with file_lock.exclusive(folder / f"{reference.replace(':', '-')}.lock"):
        if not inspect("image", [reference]):
            _import_base(reference, folder, progress)


def _import_base(reference: str, folder: Path, progress: Progress) -> None:
    """The tar is whole before the engine sees it."""
    engine.ensure_tools(progress)
    sources, archive = folder / "debian.sources", folder / f"{reference.replace(':', '-')}.tar"
    sources.write_text(apt_sources.text(), encoding="utf-8")
    archive.unlink(missing_ok=True)
    progress("", f"making {reference} from Debian packages")
    try:
        done = run(
            ["sh", str(SCRIPTS / "base.sh"), str(archive), apt_sources.SUITE, str(sources)], timeout=_BASE_SECONDS
        )
        if not done.ok:
            raise MachinesError(
                "the base image could not be made",
                where=reference,
                lines=done.tail(),
                cause="the apt sources of this machine do not answer, or a disk is full",
                next_step="`apt-get update` must work here; or name an existing image as driver.base",
            )
        docker("import", f"--change=LABEL {IMAGE_LABEL}={reference}", str(archive), reference, timeout=_BASE_SECONDS)
    finally:
        archive.unlink(missing_ok=True)


def superseded(images: Iterable[Mapping[str, Any]], current: str) -> list[str]:
    """References of our machine images (`docker image inspect`) that are neither current nor among the newest."""
    tagged = [
        (facts["Created"], tag)
        for facts in images
        for tag in facts["RepoTags"]
        if (facts["Config"].get("Labels") or {}).get(IMAGE_LABEL) == tag and tag.startswith(f"{REPOSITORY}:")
    ]
    return [tag for _, tag in sorted(tagged, reverse=True)[_KEPT:] if tag != current]


def _prune(current: str) -> None:
    """Every change of an install step leaves an image of a gigabyte behind. One that a container uses stays."""
    for reference in superseded(inspect("image", labelled("image", {IMAGE_LABEL: ""})), current):
        attempt("image", "rm", reference)


def _given_base(reference: str, progress: Progress) -> str:
    """An image of the operator's: on the engine already, or pulled."""
    if not inspect("image", [reference]):
        progress("", f"pulling {reference}")
        done = attempt("pull", "--quiet", reference, timeout=_BASE_SECONDS)
        if not done.ok:
            raise MachinesError(
                f"the base image {reference} could not be pulled",
                lines=done.tail(),
                cause="driver.base names an image that no reachable registry has",
                next_step="put it right, or leave driver.base out: the image is then made from Debian packages",
            )
    return reference


def _identity(reference: str) -> str:
    return docker("image", "inspect", "--format={{.Id}}", reference)
