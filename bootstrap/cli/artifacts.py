"""`bootstrap artifacts`: what the nodes are given that Debian does not have."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from bootstrap.errors import ArtifactError, ExitStatus
from bootstrap.report import Report

if TYPE_CHECKING:
    from bootstrap.artifacts import Store
    from bootstrap.catalogue import Entry

HELP = "list, fetch or verify the artifacts of pillar/artifacts.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which."""
    parser.add_argument(
        "action",
        choices=["list", "fetch", "verify"],
        help="list: what there is; fetch: get or build what is missing; verify: read every file in the store again",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="these only (fetch without names: what --env needs)")


def run(args: argparse.Namespace, report: Report) -> ExitStatus:
    """`verify` ends with status 9 when a file is damaged; one that was never fetched is no damage."""
    from bootstrap import catalogue
    from bootstrap.artifacts import Store

    store = Store()
    if args.action == "fetch":
        found = store.ensure(args.names or _needed(args.env), lambda _node, text: report.progress("artifacts", text))
        entries = catalogue.pick(store.entries, list(found))
    else:
        entries = catalogue.pick(store.entries, args.names or sorted(store.entries))
    rows = [_row(store, entry, read=args.action == "verify") for entry in entries]
    columns = ("name", "version", "state", "size", "licence", "end_of_life", "file")
    report.table(
        [column.replace("_", " ") for column in columns], [[row[key] or "-" for key in columns] for row in rows]
    )
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


def _needed(env: str) -> list[str]:
    from bootstrap import config, plan

    return list(plan.make(config.load(env)).artifacts)


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
