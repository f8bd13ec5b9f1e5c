"""`bootstrap artifacts`: what the nodes are given that Debian does not have, and mirrors of all of it."""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bootstrap.errors import ArtifactError, ExitStatus, UsageError
from bootstrap.report import Report

if TYPE_CHECKING:
    from bootstrap.artifacts import Store
    from bootstrap.catalogue import Entry

HELP = (
    "list, fetch or verify the artifacts of pillar/artifacts.yaml; make, verify or import a mirror for a closed network"
)
_COLUMNS = ("name", "version", "state", "size", "licence", "end_of_life", "file")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which."""
    parser.add_argument(
        "action",
        choices=["list", "fetch", "verify", "mirror", "import"],
        help="list: what there is; fetch: get or build what is missing; verify: read every file in the store "
        "again, or of the mirror that is named; mirror: everything that --env needs into one folder or .tar, signed; "
        "import: take a mirror over for --env",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="artifacts (fetch without names: what --env needs), or the mirror to verify or import",
    )
    parser.add_argument("--to", type=Path, metavar="DIR|TAR", help="where the mirror goes")
    parser.add_argument("--key", default="", metavar="FINGERPRINT", help="that the mirror must be signed with")


def run(args: argparse.Namespace, report: Report) -> ExitStatus:
    """`verify` ends with status 9 when a file is damaged; one that was never fetched is no damage."""
    if args.action == "mirror":
        return _mirror(args, report)
    if args.action == "import" or (args.action == "verify" and any("/" in name for name in args.names)):
        return _take(args, report)
    return _store(args, report)


def _store(args: argparse.Namespace, report: Report) -> ExitStatus:
    from bootstrap import catalogue
    from bootstrap.artifacts import Store

    store = Store()
    if args.action == "fetch":
        if not args.names:
            args.names, versions = _needed(args.env)
            store = Store(entries=catalogue.chosen(store.entries, versions))
        found = store.ensure(args.names, lambda _node, text: report.progress("artifacts", text))
        entries = catalogue.pick(store.entries, list(found))
    else:
        entries = catalogue.pick(store.entries, args.names or sorted(store.entries))
    rows = [_row(store, entry, read=args.action == "verify") for entry in entries]
    report.table(
        [column.replace("_", " ") for column in _COLUMNS], [[row[key] or "-" for key in _COLUMNS] for row in rows]
    )
    for line in _remarks(rows):
        report.line(line)
    damaged = [row["name"] for row in rows if row["state"] == "damaged"]
    if not damaged:
        if report.as_json:
            report.json({"artifacts": rows})
        return ExitStatus.OK
    raise ArtifactError(
        f"damaged in the store: {', '.join(damaged)}",
        where=str(store.folder),
        cause="a file is not what its checksum says: a bad disk, or somebody changed it",
        next_step=f"bootstrap artifacts fetch {' '.join(damaged)}",
    )


def _mirror(args: argparse.Namespace, report: Report) -> ExitStatus:
    from bootstrap import config, mirror, plan

    if args.to is None or args.names:
        raise UsageError("a mirror needs a place", next_step="bootstrap artifacts mirror --env ENV --to DIR|FILE.tar")
    made = mirror.make(plan.make(config.load(args.env)), args.to, lambda _node, text: report.progress("mirror", text))
    _tell(made, args.to, report)
    return ExitStatus.OK


def _take(args: argparse.Namespace, report: Report) -> ExitStatus:
    from bootstrap import config, mirror

    if len(args.names) != 1:
        raise UsageError("one mirror is wanted", next_step=f"bootstrap artifacts {args.action} DIR|TAR --env ENV")
    source = Path(args.names[0])
    with mirror.opened(source) as folder:
        report.progress("mirror", f"reading every file of {source}")
        manifest = mirror.verify(folder, args.key)
        remarks = mirror.take(folder, manifest, config.load(args.env).env) if args.action == "import" else []
    _tell(manifest, source, report, remarks)
    return ExitStatus.OK


def _tell(manifest: dict[str, Any], place: Path, report: Report, remarks: list[str] | None = None) -> None:
    files = manifest["files"].values()
    size = sum(row["size"] for row in files)
    if report.as_json:
        report.json({**manifest, "place": str(place), "size": size, "remarks": remarks or []})
        return
    for remark in remarks or []:
        report.line(f"note: {remark}")
    report.line(f"signed with {manifest['key']}")
    report.line(
        f"{place}: {len(files)} files, {size >> 20} MiB: {manifest['packages']} packages, "
        f"{len(manifest['artifacts'])} artifacts, Salt's wheels; every checksum is right"
    )


def _needed(env: str) -> tuple[list[str], Mapping[str, str]]:
    """Artifacts of an environment, and the releases that it chooses."""
    from bootstrap import config, plan

    made = plan.make(config.load(env))
    return list(made.artifacts), made.cluster.versions


def _row(store: Store, entry: Entry, *, read: bool) -> dict[str, Any]:
    found = store.find(entry.name)
    if read:
        state = store.verify(entry.name)
    elif found is not None:
        state = "present"
    else:
        state = "no checksum" if entry.sha256 == "" else "missing"
    return {
        "name": entry.name,
        "version": entry.version,
        "state": state,
        "size": found.size if found else entry.size,
        "licence": entry.licence,
        "end_of_life": entry.end_of_life and entry.end_of_life.isoformat(),
        "file": entry.file,
        "sha256": found.sha256 if found else entry.sha256,
        "sources": [str(source) for source in entry.sources],
    }


def _remarks(rows: list[dict[str, Any]]) -> list[str]:
    """What is missing, what an operator has to get, what nobody cares for any more."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    lists = {
        "missing, fetched or built when needed": [r["name"] for r in rows if r["state"] == "missing"],
        "no checksum yet, for an operator to get": [r["name"] for r in rows if r["state"] == "no checksum"],
        "past its end of life": [r["name"] for r in rows if r["end_of_life"] and r["end_of_life"] < today],
    }
    return [f"{what}: {', '.join(names)}" for what, names in lists.items() if names]
