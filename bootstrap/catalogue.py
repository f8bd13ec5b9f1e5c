"""pillar/artifacts.yaml -> entries, every mistake at once."""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bootstrap import paths
from bootstrap.errors import InvalidTopologyError, UsageError

FILE = paths.PILLAR / "artifacts.yaml"
KEYS = ("version", "file", "sha256", "size", "licence", "end_of_life", "image", "baked", "sources", "releases")
_OF_A_RELEASE = ("file", "sha256", "size", "end_of_life", "image", "sources")
KINDS = ("url", "mirror", "package-index", "maven", "build")
BUILDERS = ("mesos", "task-image", "open-files", "service-wheels", "services")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"[\w.+~-]+")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a file can be had. `inputs`: names of the artifacts a build is made from."""

    kind: str
    value: str
    inputs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}: {self.value}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One artifact. `sha256` is None for what we build, "" where the operator has to fill it in. `size` in bytes.

    `baked`: part of the machine image; what changes with every edit is sent instead. `releases`: others that an
    environment may choose, by version.
    """

    name: str
    version: str
    file: str
    sha256: str | None
    size: int | None
    licence: str
    end_of_life: datetime.date | None
    image: str | None
    sources: tuple[Source, ...]
    baked: bool = True
    releases: Mapping[str, Entry] = field(default_factory=dict)

    @property
    def versions(self) -> tuple[str, ...]:
        """Every release that can be chosen, the default first."""
        return (self.version, *self.releases)


def load(path: Path = FILE) -> dict[str, Entry]:
    """All entries by name. InvalidTopologyError lists everything that is wrong."""
    from bootstrap import pure_yaml

    document = pure_yaml.read(path, str(path))
    problems = [str(finding) for finding in document.findings]
    data = document.data.get("artifacts") if isinstance(document.data, dict) else None
    if not isinstance(data, dict):
        data = {}
        problems = problems or [f"{path}: the key artifacts is missing"]
    entries = {}
    for name, row in data.items():
        found = _problems(str(name), row, data)
        problems += [f"{path}:{document.line_of(('artifacts', str(name)))}: artifacts.{name}{text}" for text in found]
        if not found:
            entries[str(name)] = _entry(str(name), row)
    if problems:
        raise InvalidTopologyError(
            f"{len(problems)} mistakes in the artifact catalogue",
            where=str(path),
            lines=problems,
            next_step="correct the file; its head explains every key",
        )
    return entries


def pick(entries: Mapping[str, Entry], names: list[str]) -> list[Entry]:
    """The named entries; UsageError with a suggestion for one that is not there."""
    for name in names:
        if name not in entries:
            near = difflib.get_close_matches(name, entries, 1)
            raise UsageError(
                f"there is no artifact {name!r}" + (f", did you mean {near[0]!r}?" if near else ""),
                where=str(FILE),
                next_step="bootstrap artifacts list",
            )
    return [entries[name] for name in names]


def chosen(entries: Mapping[str, Entry], versions: Mapping[str, str]) -> dict[str, Entry]:
    """The entries with the releases that an environment chose (`versions:`) in their places."""
    return {name: entry.releases.get(versions.get(name, ""), entry) for name, entry in entries.items()}


def _problems(name: str, row: Any, everything: Mapping[str, Any]) -> list[str]:
    if not isinstance(row, dict):
        return [": not a mapping"]
    found = []
    for key in row:
        if key not in KEYS:
            near = difflib.get_close_matches(str(key), KEYS, 1)
            found.append(f".{key}: unknown key" + (f", did you mean {near[0]}?" if near else ""))
    found += [f".{key}: missing" for key in ("version", "file", "licence", "sources") if not row.get(key)]
    if not _FILE.fullmatch(str(row.get("file") or "x")):
        found.append(f".file: {row['file']!r} is not a plain file name")
    if row.get("sha256") is not None and not _SHA256.fullmatch(str(row["sha256"])):
        found.append(f".sha256: {row['sha256']!r} is not 64 lower-case hexadecimal digits")
    if row.get("size") is not None and (type(row["size"]) is not int or row["size"] <= 0):
        found.append(f".size: {row['size']!r} is not a number of bytes")
    if row.get("end_of_life") is not None and not isinstance(row["end_of_life"], datetime.date):
        found.append(f".end_of_life: {row['end_of_life']!r} is not a date (YYYY-MM-DD)")
    if type(row.get("baked", True)) is not bool:
        found.append(f".baked: {row['baked']!r} is neither true nor false")
    sources = row.get("sources")
    if sources is not None and not isinstance(sources, list):
        return [*found, ".sources: not a list"]
    for index, source in enumerate(sources or []):
        found += [f".sources[{index}]{text}" for text in _source_problems(name, source, everything)]
    if not found and any("build" not in source for source in sources or []) and "sha256" not in row:
        found.append(".sha256: mandatory for what is fetched (null if you have yet to find it out)")
    return found + _release_problems(name, row, everything)


def _release_problems(name: str, row: Mapping[str, Any], everything: Mapping[str, Any]) -> list[str]:
    releases = row.get("releases") or {}
    if not isinstance(releases, dict):
        return [".releases: not a mapping of versions"]
    found = []
    for version, release in releases.items():
        where = f".releases.{version}"
        if not isinstance(version, str):
            found.append(f"{where}: a version is text: put quotes around it")
        elif version == str(row.get("version")):
            found.append(f"{where}: that is the default already")
        elif not isinstance(release, dict):
            found.append(f"{where}: not a mapping")
        else:
            found += [f"{where}.{key}: unknown key" for key in release if key not in _OF_A_RELEASE]
            found += [f"{where}{text}" for text in _problems(name, _release_row(row, version, release), everything)]
    return found


def _release_row(row: Mapping[str, Any], version: str, release: Mapping[str, Any]) -> dict[str, Any]:
    """A release as a row of its own: what tells its file apart comes from it alone."""
    kept = {key: row[key] for key in ("licence", "end_of_life", "image", "baked") if key in row}
    return {**kept, **release, "version": version}


def _source_problems(name: str, source: Any, everything: Mapping[str, Any]) -> list[str]:
    if not isinstance(source, dict) or len(source) != 1:
        return [f": one key of {', '.join(KINDS)} is wanted, found {source!r}"]
    kind, value = next(iter(source.items()))
    if kind not in KINDS:
        near = difflib.get_close_matches(str(kind), KINDS, 1)
        return [f": unknown kind {kind!r}" + (f", did you mean {near[0]}?" if near else "")]
    if kind != "build":
        return [] if isinstance(value, str) and value else [f".{kind}: text is wanted, found {value!r}"]
    if not isinstance(value, dict) or set(value) != {"with", "from"} or not isinstance(value["from"], list):
        return [".build: {with: builder, from: [artifacts]} is wanted"]
    found = [] if value["with"] in BUILDERS else [f".build.with: {value['with']!r} is not one of {', '.join(BUILDERS)}"]
    for needed in value["from"]:
        if needed == name or needed not in everything:
            found.append(f".build.from: {needed!r} is not another artifact")
    return found


def _entry(name: str, row: Mapping[str, Any]) -> Entry:
    return Entry(
        name=name,
        version=str(row["version"]),
        file=str(row["file"]),
        sha256=(row["sha256"] or "") if "sha256" in row else None,
        size=row.get("size"),
        licence=str(row["licence"]),
        end_of_life=row.get("end_of_life"),
        image=row.get("image"),
        sources=tuple(_source(source) for source in row["sources"]),
        baked=row.get("baked", True),
        releases={
            version: _entry(name, _release_row(row, version, release))
            for version, release in (row.get("releases") or {}).items()
        },
    )


def _source(source: Mapping[str, Any]) -> Source:
    kind, value = next(iter(source.items()))
    if kind == "build":
        return Source(kind, str(value["with"]), tuple(map(str, value["from"])))
    return Source(kind, str(value))
