"""Several environments from one seat: what each is, in what two differ, and versions carried from one to another."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bootstrap import catalogue, config, journal, paths, plan, yaml_edit
from bootstrap.errors import UsageError
from bootstrap.model import Cluster


@dataclass(frozen=True, slots=True)
class Change:
    """One version that a promotion writes: what `target` has now, and what it will have."""

    artifact: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Promotion:
    """What promoting would do to the file at `path`. `text` is the file afterwards."""

    source: str
    target: str
    path: str
    changes: tuple[Change, ...]
    text: str
    warnings: tuple[str, ...]


def versions_of(cluster: Cluster) -> dict[str, str]:
    """Artifact -> the release its nodes are given, for everything that they take."""
    entries = catalogue.chosen(catalogue.load(), cluster.versions)
    return {name: entries[name].version for name in plan.make(cluster).artifacts if name in entries}


def last_run(env: str) -> str:
    """When the last whole run was and how it ended, for a person; "never" without one."""
    ended = [event for event in journal.read(paths.state_path(env)) if event.get("event") == "run-end"]
    if not ended:
        return "never"
    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(float(ended[-1]["time"])))
    status = int(ended[-1].get("status", 1))
    return f"{when} UTC, {'ok' if status == 0 else f'failed with status {status}'}"


def facts(cluster: Cluster) -> dict[str, Any]:
    """An environment in a flat list of facts: what `show` prints, and `diff` compares."""
    roles = {name: [node.name for node in cluster.with_role(name)] for name in cluster.roles}
    found: dict[str, Any] = {
        "driver": cluster.driver,
        "production": cluster.production,
        "domain": cluster.domain,
        "network": str(cluster.network),
        "nodes": len(cluster.nodes),
    }
    found |= {f"nodes with {name}": len(nodes) for name, nodes in roles.items() if nodes}
    found |= {f"provider of {name}": cluster.roles[name].provider for name, nodes in roles.items() if nodes}
    found |= {f"version of {name}": version for name, version in versions_of(cluster).items()}
    found |= {f"setting {path}": value for path, value in _leaves("", cluster.settings)}
    return {name: value for name, value in found.items() if value != ""}


def differences(first: Cluster, second: Cluster) -> list[tuple[str, Any, Any]]:
    """Every fact that is not the same in both; None where one has it not."""
    ours, theirs = facts(first), facts(second)
    names = dict.fromkeys((*ours, *theirs))
    return [(name, ours.get(name), theirs.get(name)) for name in names if ours.get(name) != theirs.get(name)]


def promotion(source: Cluster, target: Cluster) -> Promotion:
    """The versions of `source` for everything that `target` takes as well. Writes nothing."""
    if source.path.resolve() == target.path.resolve():
        raise UsageError("an environment cannot be promoted to itself", next_step="name two environments")
    have, wanted = versions_of(target), versions_of(source)
    shared = {name: wanted[name] for name in have if name in wanted}
    changes = tuple(Change(name, have[name], version) for name, version in shared.items() if have[name] != version)
    pinned = {name: version for name, version in shared.items() if target.versions.get(name) != version}
    text = target.path.read_text(encoding="utf-8")
    return Promotion(
        source=source.env,
        target=target.env,
        path=str(target.path),
        changes=changes,
        text=_edited(text, pinned, target) if pinned else text,
        warnings=tuple(_doubts(source, have, wanted)),
    )


def write(promoted: Promotion, target: Cluster) -> None:
    """Put the file in place by a rename and read it again; the old one comes back where it is refused."""
    path = target.path.resolve()
    before = path.read_bytes()
    _replace(path, promoted.text.encode())
    try:
        config.load(str(path))
    except Exception:
        _replace(path, before)
        raise


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.chmod(path.stat().st_mode & 0o777)
    draft.replace(path)


def _edited(text: str, versions: Mapping[str, str], target: Cluster) -> str:
    try:
        return yaml_edit.set_texts(text, "versions", versions)
    except ValueError as error:
        raise UsageError(
            str(error),
            where=str(target.path),
            lines=[f"{name}: {json.dumps(version)}" for name, version in versions.items()],
            next_step="write these under `versions:` by hand",
        ) from error


def _doubts(source: Cluster, have: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[str]:
    run = last_run(source.env)
    if not run.endswith("ok"):
        yield f"what {source.env} has was not proven there: its last run: {run}"
    alone = [name for name in have if name not in wanted]
    if alone:
        yield f"{source.env} has no {', '.join(alone)} (another provider or no such role): left as they are"


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}" if path else str(key), inner)
    elif path:
        yield path, value
