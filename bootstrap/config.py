"""Files -> Cluster. Everything that is wrong with them is told at once, with file, line, path and value."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bootstrap import catalogue, checks, ensemble_record, paths, pure_yaml
from bootstrap.checks import roles as role_table
from bootstrap.checks import settings as setting_rules
from bootstrap.checks import topology
from bootstrap.checks.draft import Draft
from bootstrap.checks.finding import Finding, nearest
from bootstrap.errors import InvalidTopologyError, UsageError
from bootstrap.model import Cluster, Node, Role

_FILE = "cluster.yaml"
_REMEMBERED = "zookeeper-ids.json"


class InvalidFilesError(InvalidTopologyError):
    """As InvalidTopologyError, with the findings themselves."""

    def __init__(self, env: str, findings: Sequence[Finding]) -> None:
        errors = [finding for finding in findings if finding.severity == "error"]
        super().__init__(
            f"{len(errors)} thing{'' if len(errors) == 1 else 's'} wrong in the files of environment {env}",
            lines=[str(finding) for finding in errors],
            next_step=f"correct the files, then: bootstrap validate --env {env}",
        )
        self.findings = tuple(findings)

    def as_json(self) -> dict[str, object]:
        """The facts, and every finding with its parts."""
        return {**super().as_json(), "findings": [finding.as_json() for finding in self.findings]}


@dataclass(frozen=True, slots=True)
class Checked:
    """What reading an environment gave: a cluster (None where there are errors) and findings of both severities."""

    env: str
    cluster: Cluster | None
    findings: tuple[Finding, ...]

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What is told but not refused."""
        return tuple(finding for finding in self.findings if finding.severity == "warning")


def load(env: str) -> Cluster:
    """The validated cluster. `env`: a name under pillar/env, or the path of a cluster.yaml.

    Raises InvalidFilesError with every finding, UsageError where there is no such environment.
    """
    checked = check(env)
    if checked.cluster is None:
        raise InvalidFilesError(env, checked.findings)
    return checked.cluster


def check(
    env: str,
    *,
    pillar: Path = paths.PILLAR,
    salt: Path = paths.SALT,
    removed: Mapping[str, str] = setting_rules.REMOVED,
) -> Checked:
    """Read and check without raising, but for an environment that does not exist (UsageError)."""
    path = locate(env, pillar)
    name = path.resolve().parent.name
    table = pure_yaml.read(pillar / "roles.yaml", _called(pillar / "roles.yaml"))
    document = pure_yaml.read(path, _called(path))
    findings = [*table.findings, *document.findings]
    if table.data is None or document.data is None:
        return Checked(name, None, tuple(findings))
    roles = role_table.read(table.file, table.data, findings)
    findings += role_table.check(table.file, roles, lambda component: (salt / component).is_dir())
    draft = topology.read(name, document.file, document.data, roles, findings)
    draft.defaults = lambda component: _defaults(salt, component, findings)
    draft.removed = removed
    draft.releases = lambda: {name: entry.versions for name, entry in catalogue.load(pillar / "artifacts.yaml").items()}
    draft.remembered_in = str(_remembered_file(name))
    draft.remembered = _remembered(name, findings)
    draft.members_in = str(ensemble_record.path_of(name))
    draft.members = _members(name, findings)
    findings += checks.run(draft)
    lined = _in_order(findings, (table, document))
    failed = any(finding.severity == "error" for finding in lined)
    return Checked(name, None if failed else _cluster(draft, path), lined)


def locate(env: str, pillar: Path = paths.PILLAR) -> Path:
    """The cluster.yaml that `--env` means."""
    if "/" in env or env.endswith((".yaml", ".yml")) or env in (".", ".."):
        path = Path(env).expanduser()
        path = path / _FILE if path.is_dir() else path
        if path.is_file():
            return path
        raise UsageError(f"there is no file {path}", next_step="give the path of a cluster.yaml, or a name")
    path = pillar / "env" / env / _FILE
    if env and path.is_file():
        return path
    known = environments(pillar)
    meant = nearest(env, known)
    raise UsageError(
        f"there is no environment {env or 'without a name'}",
        where=_called(pillar / "env"),
        lines=[f"there is: {', '.join(known) or 'none'}"],
        next_step=f"did you mean --env {meant}?" if meant else f"create {_called(path)}, or choose one that is there",
    )


def environments(pillar: Path = paths.PILLAR) -> list[str]:
    """The names that `--env` takes."""
    return sorted(path.parent.name for path in (pillar / "env").glob(f"*/{_FILE}"))


def remember_ids(cluster: Cluster) -> None:
    """Keep which node has which ZooKeeper id, also of nodes that are gone: an id is given once."""
    ids = {node.name: node.zookeeper_id for node in cluster.nodes if node.zookeeper_id is not None}
    folder = paths.state_dir(cluster.env)
    before = _read_ids(folder / _REMEMBERED)
    if before | ids == before:
        return
    draft = folder / f"{_REMEMBERED}.{os.getpid()}"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(before | ids, file, indent=2, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / _REMEMBERED)


def forget_ids(env: str) -> None:
    """For when the machines, and the data on them, were removed."""
    (paths.state_dir(env) / _REMEMBERED).unlink(missing_ok=True)
    ensemble_record.forget(env)


def _members(env: str, findings: list[Finding]) -> tuple[str, ...]:
    try:
        return ensemble_record.read(env)
    except (OSError, ValueError) as error:
        findings.append(
            Finding(
                str(ensemble_record.path_of(env)),
                (),
                None,
                f"cannot be read, so that an ensemble that loses its data would go unnoticed: {error}",
                "restore it from a backup; or remove it, once the topology has the members that run",
            )
        )
        return ()


def _remembered(env: str, findings: list[Finding]) -> dict[str, int]:
    path = _remembered_file(env)
    try:
        return _read_ids(path)
    except (OSError, ValueError) as error:
        findings.append(
            Finding(
                str(path),
                (),
                None,
                f"cannot be read, so that changed ids would go unnoticed: {error}",
                "restore it from a backup; or remove it, once the ids in the topology are those on the nodes",
            )
        )
        return {}


def _read_ids(path: Path) -> dict[str, int]:
    if not path.is_file():
        return {}
    ids = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(ids, dict) or not all(type(number) is int for number in ids.values()):
        raise ValueError("not a mapping of nodes to ids")
    return ids


def _remembered_file(env: str) -> Path:
    return paths.state_path(env) / _REMEMBERED


def _defaults(salt: Path, component: str, findings: list[Finding]) -> Mapping[str, Any] | None:
    path = salt / component / "defaults.yaml"
    if not path.is_file():
        return None
    document = pure_yaml.read(path, _called(path))
    findings += document.findings
    return document.data if isinstance(document.data, Mapping) else {}


def _in_order(findings: Sequence[Finding], documents: Sequence[pure_yaml.Document]) -> tuple[Finding, ...]:
    """Each with its line, from the top of a file to its end."""
    files = [document.file for document in documents]
    lined = [_with_line(finding, documents) for finding in findings]
    return tuple(sorted(lined, key=lambda found: (found.file in files and files.index(found.file), found.line)))


def _with_line(finding: Finding, documents: Sequence[pure_yaml.Document]) -> Finding:
    if finding.line:
        return finding
    line = next((document.line_of(finding.keys) for document in documents if document.file == finding.file), 0)
    return replace(finding, line=line) if line else finding


def _called(path: Path) -> str:
    """A file as it is called in messages: short where it lies in the checkout."""
    absolute = path.absolute()
    if absolute.is_relative_to(paths.CHECKOUT):
        return str(absolute.relative_to(paths.CHECKOUT))
    return str(absolute)


def _cluster(draft: Draft, path: Path) -> Cluster:
    if draft.network is None or draft.domain is None or draft.driver is None:
        raise AssertionError("a topology without findings has a network, a domain and a driver")
    return Cluster(
        env=draft.env,
        path=path,
        driver=draft.driver,
        driver_settings=draft.driver_settings,
        domain=draft.domain,
        network=draft.network,
        nodes=tuple(_nodes(draft)),
        roles=_in_use(draft),
        settings=draft.settings,
        production=draft.production,
        versions=dict(draft.versions),
        waivers=dict(draft.waivers),
    )


def _nodes(draft: Draft) -> list[Node]:
    nodes = []
    for entry in draft.entries:
        attributes = {key: str(value) for key, value in entry.attributes.items()}
        resources = {key: str(value) for key, value in entry.resources.items()}
        for name, address in zip(entry.names, entry.addresses, strict=True):
            nodes.append(Node(name, address, entry.roles, entry.zookeeper_id, attributes, resources))
    return nodes


def _in_use(draft: Draft) -> dict[str, Role]:
    """The whole role table, each row filled: who asks which roles a cluster uses, asks its nodes."""
    return {name: role.filled_by(draft.provider(role)) for name, role in draft.roles.items()}
