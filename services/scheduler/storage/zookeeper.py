"""The scheduler's state in ZooKeeper.

    <zk path>/leader/member_…              the election
    <zk path>/utopia/format                of what follows
                    /framework-id
                    /apps/<id>             {"current": version}, below it a node per version
                    /groups/<id>           what groups have besides applications
                    /roots/<version>       which versions made up the whole then
                    /instances/<bucket>/<id>
                    /deployments/<id>
                    /failures/<app id>     the last failure of a task
                    /parts/…               of documents that one node is too small for

Ids are written with `_` for `/`. Only the leader writes (see writer.py).
"""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.scheduler.definitions import output, parse
from services.scheduler.definitions.app import App
from services.scheduler.instances.instance import Instance
from services.scheduler.instances.pace import Pace
from services.scheduler.storage import documents
from services.scheduler.storage.connection import Connection
from services.scheduler.storage.writer import StorageError, TooLargeError, Write, Writer

FORMAT = b"1"
BUCKETS = 256
FOLDERS = ("apps", "groups", "roots", "instances", "deployments", "failures", "parts")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is stored, as a new leader finds it."""

    framework_id: str | None = None
    apps: Mapping[str, App] = field(default_factory=dict)  # the current ones
    groups: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # id -> what was given to save_root
    versions: Mapping[str, Sequence[str]] = field(default_factory=dict)  # app id -> oldest first
    root_versions: Sequence[str] = ()  # oldest first
    instances: Sequence[Instance] = ()
    deployments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    failures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # app id -> document


class FrameworkIdMissingError(StorageError):
    """There are instances, and nothing says as which framework they were launched."""


class Store:
    """Every method that writes raises FencedError, SessionLostError or StorageError, and has then not written."""

    def __init__(
        self,
        connection: Connection,
        path: str,
        *,
        fence: Callable[[], str | None],
        max_versions: int = 50,
        max_node_size: int = 512 * 1024,
    ) -> None:
        self._connection = connection
        self._path = f"{path}/utopia"
        self._writer = Writer(connection, fence)
        self._max_versions = max_versions
        self._max_node_size = max_node_size
        self._whole_order = asyncio.Lock()
        self._versions: dict[str, list[str]] = {}
        self._roots: list[str] = []
        self._groups: dict[str, Mapping[str, Any]] = {}
        self._parts: dict[str, list[str]] = {}  # node -> its parts
        self._runs: dict[str, tuple[str, str]] = {}  # instance id -> app id, version
        self._used: Counter[tuple[str, str]] = Counter()

    # -- reading ---------------------------------------------------------------------------------------------

    async def load(self) -> Snapshot:
        """Everything. Raises StorageError on what cannot be read: better no leader than one that forgets.

        FrameworkIdMissingError: to go on would leave the tasks running, unknown to anybody.
        """
        await self._prepare()
        framework_id = await self._connection.get(f"{self._path}/framework-id")
        if framework_id is not None:
            self._writer.know([f"{self._path}/framework-id"])
        apps, versions = await self._load_apps()
        groups = {_id(name): document for name, document in (await self._load_folder("groups")).items()}
        self._roots = sorted(await self._names("roots"))
        instances = await self._load_instances()
        if instances and not framework_id:
            raise FrameworkIdMissingError(
                f"{len(instances)} instances are stored, but no framework id in {self._path}/framework-id"
            )
        deployments = await self._load_folder("deployments")
        failures = {_id(name): document for name, document in (await self._load_folder("failures")).items()}
        self._groups = dict(groups)
        await self._forget_orphans()
        return Snapshot(
            framework_id.decode() if framework_id else None,
            apps,
            groups,
            {app: tuple(known) for app, known in versions.items()},
            tuple(self._roots),
            instances,
            deployments,
            failures,
        )

    async def load_version(self, app_id: str, version: str) -> App | None:
        """An older definition of an application; None: it is not there (any more)."""
        document = await self._document(f"{self._path}/apps/{_name(app_id)}/{version}")
        return None if document is None else parse.stored(document)

    async def load_root(self, version: str) -> tuple[Mapping[str, Mapping[str, Any]], Mapping[str, str]] | None:
        """Groups and the applications' versions as they were then; None: that is not there (any more)."""
        document = await self._document(f"{self._path}/roots/{version}")
        return None if document is None else (document["groups"], document["apps"])

    def root_versions(self) -> Sequence[str]:
        """Versions of the whole that `load_root` knows, oldest first."""
        return tuple(self._roots)

    def app_versions(self, app_id: str) -> Sequence[str]:
        """Versions of an application that `load_version` knows, oldest first."""
        return tuple(self._versions.get(app_id, ()))

    # -- writing ---------------------------------------------------------------------------------------------

    async def set_framework_id(self, framework_id: str | None) -> None:
        """Remember it, or forget it (None) when the framework was torn down."""
        await self._writer.write([(f"{self._path}/framework-id", framework_id.encode() if framework_id else None)])

    async def save_root(
        self,
        *,
        version: str,
        changed: Iterable[App],
        removed: Collection[str],
        groups: Mapping[str, Mapping[str, Any]],
        apps: Mapping[str, str],
    ) -> None:
        """The new whole. `changed`: new versions of applications; `removed`: ids; `groups`: all groups with what
        they have besides applications; `apps`: all applications with their current version.

        New definitions are written first and count only with the last transaction, which names them.
        Raises TooLargeError, too.
        """
        async with self._whole_order:
            await self._save_root(version, list(changed), removed, groups, apps)

    async def _save_root(
        self,
        version: str,
        new: Sequence[App],
        removed: Collection[str],
        groups: Mapping[str, Mapping[str, Any]],
        apps: Mapping[str, str],
    ) -> None:
        writes: list[Write] = []
        final: list[Write] = []
        pace = Pace()
        for app in new:
            node = f"{self._path}/apps/{_name(app.id)}"
            if not self._writer.knows(node):
                writes.append((node, documents.pack({"current": None})))
            writes.append((f"{node}/{app.version}", self._whole(app.id, output.stored(app))))
            final.append((node, documents.pack({"current": app.version})))
            await pace.turn()
        final += [(f"{self._path}/apps/{_name(app_id)}", documents.pack({"current": None})) for app_id in removed]
        for group_id, document in groups.items():
            if self._groups.get(group_id) != document:
                final += self._put(f"{self._path}/groups/{_name(group_id)}", document)
        gone = self._groups.keys() - groups.keys()
        final += [(f"{self._path}/groups/{_name(group_id)}", None) for group_id in sorted(gone)]
        root = self._put(f"{self._path}/roots/{version}", {"groups": groups, "apps": apps})
        await self._writer.write([*writes, *root[:-1]])
        await self._writer.write([*final, root[-1]])
        self._groups = {key: dict(value) for key, value in groups.items()}
        self._roots.append(version)
        for app in new:
            known = self._versions.setdefault(app.id, [])
            if app.version not in known:
                known.append(app.version)
        await self._prune([app.id for app in new], removed)

    async def save_instances(self, instances: Iterable[Instance]) -> None:
        """Add or change. A few thousand are a few transactions."""
        writes: list[Write] = []
        some = list(instances)
        for instance in some:
            writes.append((self._instance(instance.id), documents.pack(documents.from_instance(instance))))
        await self._writer.write(writes)
        for instance in some:
            self._note_run(instance.id, (instance.app_id, instance.version))

    async def delete_instances(self, ids: Iterable[str]) -> None:
        """Forget; those that are not there are no error."""
        some = list(ids)
        await self._writer.write([(self._instance(instance_id), None) for instance_id in some])
        for instance_id in some:
            self._note_run(instance_id, None)

    async def save_deployment(self, deployment_id: str, document: Mapping[str, Any]) -> None:
        """Add or change. Documents of any size."""
        await self._save(f"{self._path}/deployments/{deployment_id}", document)

    async def delete_deployment(self, deployment_id: str) -> None:
        """Forget; no error if it is not there."""
        await self._remove([f"{self._path}/deployments/{deployment_id}"])

    async def save_failure(self, app_id: str, document: Mapping[str, Any]) -> None:
        """The last failure of a task of an application; goes with the application."""
        await self._save(f"{self._path}/failures/{_name(app_id)}", document)

    async def forget_framework(self) -> int:
        """Forget the framework id and all instances: Mesos has removed the framework, and with it every task.
        The number of instances.
        """
        await self._prepare()
        instances = await self._load_instances()
        await self.delete_instances(instance.id for instance in instances)
        if await self._connection.exists(f"{self._path}/framework-id"):
            self._writer.know([f"{self._path}/framework-id"])
            await self.set_framework_id(None)
        return len(instances)

    # -- below -----------------------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        stored = await self._connection.get(f"{self._path}/format")
        if stored is not None and stored != FORMAT:
            raise StorageError(f"{self._path} has format {stored.decode(errors='replace')}, known is {FORMAT.decode()}")
        for folder in FOLDERS:
            await self._connection.ensure(f"{self._path}/{folder}")
        buckets = set(await self._connection.children(f"{self._path}/instances"))
        missing = [name for number in range(BUCKETS) if (name := f"{number:02x}") not in buckets]
        await asyncio.gather(*(self._connection.ensure(f"{self._path}/instances/{name}") for name in missing))
        if stored is None:
            await self._writer.write([(f"{self._path}/format", FORMAT)])

    async def _names(self, folder: str) -> list[str]:
        names = await self._connection.children(f"{self._path}/{folder}")
        self._writer.know(f"{self._path}/{folder}/{name}" for name in names)
        return names

    async def _load_folder(self, folder: str) -> dict[str, Any]:
        names = await self._names(folder)
        found = await asyncio.gather(*(self._document(f"{self._path}/{folder}/{name}") for name in names))
        return {name: document for name, document in zip(names, found, strict=True) if document is not None}

    async def _load_apps(self) -> tuple[dict[str, App], dict[str, list[str]]]:
        names = await self._names("apps")
        heads = await asyncio.gather(*(self._document(f"{self._path}/apps/{name}") for name in names))
        known = await asyncio.gather(*(self._names(f"apps/{name}") for name in names))
        current = {name: head["current"] for name, head in zip(names, heads, strict=True) if head}
        live = [name for name in names if current.get(name)]
        found = await asyncio.gather(*(self._document(f"{self._path}/apps/{name}/{current[name]}") for name in live))
        self._versions = {_id(name): sorted(versions) for name, versions in zip(names, known, strict=True)}
        apps = {}
        for name, document in zip(live, found, strict=True):
            if document is None:
                raise StorageError(f"{_id(name)}: its version {current[name]} is missing")
            apps[_id(name)] = parse.stored(document)
        dead = [_id(name) for name in names if name not in live]
        await self._prune([], dead)  # what a leader began to remove and did not finish
        return apps, self._versions

    async def _load_instances(self) -> list[Instance]:
        buckets = [f"instances/{number:02x}" for number in range(BUCKETS)]
        listed = await asyncio.gather(*(self._names(bucket) for bucket in buckets))
        paths = [
            f"{self._path}/{bucket}/{name}" for bucket, names in zip(buckets, listed, strict=True) for name in names
        ]
        found = await asyncio.gather(*map(self._document, paths))
        instances = [documents.to_instance(document) for document in found if document is not None]
        for instance in instances:
            self._note_run(instance.id, (instance.app_id, instance.version))
        return instances

    async def _document(self, path: str) -> Any:
        """The document of a node with its parts; None: there is no such node."""
        data = await self._connection.get(path)
        if data is None:
            return None
        parts = documents.part_names(data)
        if not parts:
            return documents.unpack(data)
        self._parts[path] = parts
        chunks = await asyncio.gather(*(self._connection.get(f"{self._path}/parts/{name}") for name in parts))
        if None in chunks:
            raise StorageError(f"{path}: a part of it is missing")
        return documents.unpack(b"".join(chunk for chunk in chunks if chunk is not None))

    def _whole(self, app_id: str, document: Any) -> bytes:
        """A definition: in one node, or not at all."""
        data = documents.pack(document)
        if len(data) > self._max_node_size:
            raise TooLargeError(f"{app_id}: the definition has {len(data)} bytes, {self._max_node_size} can be stored")
        return data

    def _put(self, path: str, document: Any) -> list[Write]:
        """The writes of a document; the last one is the node itself."""
        data, parts = documents.split(document, f"{self._path}/parts", self._max_node_size)
        old = self._parts.pop(path, [])
        if parts:
            self._parts[path] = documents.part_names(data)
        return [*parts.items(), *((f"{self._path}/parts/{name}", None) for name in old), (path, data)]

    async def _save(self, path: str, document: Mapping[str, Any]) -> None:
        await self._writer.write(self._put(path, document))

    async def _remove(self, paths: Iterable[str]) -> None:
        writes: list[Write] = []
        for path in paths:
            writes.append((path, None))
            writes += [(f"{self._path}/parts/{name}", None) for name in self._parts.pop(path, [])]
        await self._writer.write(writes)

    async def _prune(self, changed: Iterable[str], removed: Iterable[str]) -> None:
        """Remove versions that are too many, except those that run, and what is left of removed applications."""
        paths = []
        for app_id in changed:
            known = self._versions[app_id]
            surplus = known[: max(0, len(known) - self._max_versions)]
            old = [version for version in surplus if not self._used[app_id, version]]
            paths += [f"{self._path}/apps/{_name(app_id)}/{version}" for version in old]
            self._versions[app_id] = [version for version in known if version not in old]
        for app_id in removed:
            node = f"{self._path}/apps/{_name(app_id)}"
            paths += [f"{node}/{version}" for version in self._versions.pop(app_id, ())]
            paths += [node, f"{self._path}/failures/{_name(app_id)}"]
        while len(self._roots) > self._max_versions:
            paths.append(f"{self._path}/roots/{self._roots.pop(0)}")
        if paths:
            await self._remove(paths)

    async def _forget_orphans(self) -> None:
        """Parts that no node refers to: of a write that was not finished."""
        names = set(await self._names("parts"))
        roots = await asyncio.gather(*(self._connection.get(f"{self._path}/roots/{name}") for name in self._roots))
        for name, data in zip(self._roots, roots, strict=True):
            if data and (parts := documents.part_names(data)):
                self._parts[f"{self._path}/roots/{name}"] = parts
        used = {name for parts in self._parts.values() for name in parts}
        if names - used:
            await self._writer.write([(f"{self._path}/parts/{name}", None) for name in sorted(names - used)])

    def _instance(self, instance_id: str) -> str:
        return f"{self._path}/instances/{zlib.crc32(instance_id.encode()) % BUCKETS:02x}/{instance_id}"

    def _note_run(self, instance_id: str, runs: tuple[str, str] | None) -> None:
        before = self._runs.pop(instance_id, None)
        if before:
            self._used[before] -= 1
            if not self._used[before]:
                del self._used[before]
        if runs:
            self._runs[instance_id] = runs
            self._used[runs] += 1


def _name(path: str) -> str:
    """/team/app -> team_app; the root is `_`. Ids have no underscore."""
    return path.strip("/").replace("/", "_") or "_"


def _id(name: str) -> str:
    """What `_name` was made of."""
    return "/" if name == "_" else "/" + name.replace("_", "/")
