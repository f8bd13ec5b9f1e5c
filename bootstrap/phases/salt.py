"""Phase `salt`: a master with its API, and a minion on every node that knows this master and no other.

The admin node is looked at over SSH once. The others are asked through the API for a fingerprint of what
the bootstrap left there; only a node that does not give the right one is visited. Keys are pre-seeded:
nothing is accepted on sight.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from bootstrap import (
    admin_packages,
    file_tree,
    paths,
    salt_files,
    salt_install,
    salt_keys,
    salt_master,
    state_folder,
    units,
)
from bootstrap.errors import OperatorError, SaltError
from bootstrap.hosts import Result
from bootstrap.model import ADMIN_ROLE
from bootstrap.phases import Context, PhaseResult
from bootstrap.plan import Phase, is_closed
from bootstrap.salt_files import Files

_API_SECONDS = 60.0  # from the master's start to its API answering
_MINION_SECONDS = 60.0  # from a minion's start to its answer; more for many, see _bound
_ASK_SECONDS = 3.0
_ASK_SERVICES_SECONDS = 8.0
_FIRST_ASK_SECONDS = 0.8
_AGAIN_SECONDS = 0.2  # between two looks at something that is starting
_JOURNAL_LINES = 12
_RELOAD_NGINX = "if systemctl is-active -q nginx; then systemctl reload nginx; fi\n"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Everything as it should be. `marks`: node -> hash that its running minion must know."""

    admin: str
    served: Files
    master: Files
    tls: Files
    minions: Mapping[str, Files]
    marks: Mapping[str, str]
    modules: str


def run(context: Context, phase: Phase) -> PhaseResult:
    """Raises SaltError or UnreachableError when a node cannot be brought to answer."""
    return _Bootstrap(context, phase).run()


class _Bootstrap:
    def __init__(self, context: Context, phase: Phase) -> None:
        self.context = context
        self.nodes = phase.nodes
        self.progress = context.teller(phase.name)
        self.installer = salt_install.Installer(context.hosts, self.progress)
        self.changes = dict.fromkeys(phase.nodes, 0)
        self.notes: list[str] = []
        self.restarted = False
        self.repository = admin_packages.find(context.cluster) if is_closed(context.cluster) else None

    def run(self) -> PhaseResult:
        wanted = self._wanted()
        token = self.context.served = salt_files.files_hash(wanted.served)
        with ThreadPoolExecutor(max_workers=2) as pool:
            asked = pool.submit(self._ask_everything, self.nodes, token)
            found = pool.submit(self._look_at_master, wanted)
            prints, seen = asked.result(), found.result()
        self._refuse_other_state(wanted, seen)
        wrong = [node for node in self.nodes if not _right(prints.get(node), wanted, node)]
        # The minions start while the master does: they try again until it is there.
        with ThreadPoolExecutor(max_workers=2) as pool:
            master = pool.submit(self._serve, wanted, seen)
            minions = pool.submit(self._visit, wanted, wrong)
            master.result()
            minions.result()
        if wrong or self.restarted:
            prints |= self._await(self.nodes if self.restarted else wrong, wanted)
        self._sync([node for node in self.nodes if prints[node]["modules"] != wanted.modules], wanted)
        if not any(self.changes.values()):
            self.context.minions_were_right([node for node in self.nodes if not prints[node].get("sealed")])
        return PhaseResult(changes=self.changes, notes=tuple(self.notes))

    def _wanted(self) -> _Wanted:
        context, cluster = self.context, self.context.cluster
        admin = cluster.with_role(ADMIN_ROLE)[0]
        address = str(admin.address)
        port = next(port.number for port in cluster.roles[ADMIN_ROLE].ports if port.name == "salt-api")
        names = [node.name for node in cluster.nodes]
        master_key, keys = salt_keys.ensure(cluster.env, names)
        ca = context.authority.ca_pem
        dns = [admin.name, f"{admin.name}.{cluster.domain}"]
        modules = salt_files.extensions(paths.SALT)
        minions, marks = {}, {}
        for node in self.nodes:
            files, marks[node] = salt_files.minion(
                node, keys[node], master_key.public, ca, master=address, nodes=len(names)
            )
            seeded = {f"{salt_files.EXTENSIONS}/{path}": (text, 0o644) for path, text in modules.items()}
            minions[node] = {**files, **seeded}
        return _Wanted(
            admin=admin.name,
            served=salt_files.states(paths.SALT) | self._pillar() | salt_files.accepted_keys(keys),
            master=salt_files.master(
                admin.name,
                master_key,
                context.secrets.value("salt-api"),
                address=address,
                port=port,
                nodes=len(names),
            ),
            tls=salt_files.tls(context.authority.issue(admin.name, dns, [address])),
            minions=minions,
            marks=marks,
            modules=salt_files.extensions_hash(modules),
        )

    def _pillar(self) -> dict[str, tuple[bytes, int]]:
        plan, secrets = self.context.plan, self.context.secrets
        files = {name: artifact.as_pillar() for name, artifact in self.context.artifacts.items()}
        cluster = {**plan.pillar, "artifacts": {**plan.pillar["artifacts"], "files": files}}
        if self.repository is not None:
            cluster["packages"] = self.repository.as_pillar(plan.pillar["artifacts"]["url"])
        nodes = {
            name: {**values, "secrets": secrets.values(plan.secrets[name]), **self._certificate(name)}
            for name, values in plan.node_pillar.items()
        }
        return salt_files.pillar(cluster, nodes)

    def _certificate(self, node: str) -> dict[str, Any]:
        """The certificate of a node whose roles serve TLS to the outside, and its key."""
        names = self.context.plan.certificates.get(node)
        if not names:
            return {}
        address = next(str(each.address) for each in self.context.cluster.nodes if each.name == node)
        # The admin node has one already, for Salt's API and the artifact server, with other names.
        admin = self.context.cluster.with_role(ADMIN_ROLE)[0].name
        certificate, key = self.context.authority.issue(f"{node}-roles" if node == admin else node, names, [address])
        return {"certificate": certificate.decode() + self.context.authority.ca_pem.decode(), "key": key.decode()}

    def _ask_everything(self, nodes: Sequence[str], token: str) -> dict[str, Any]:
        """With a look at the services of sealed nodes. A node where one of these hangs, or whose module is an older one
        that knows nothing of seals, is asked for itself alone."""
        prints = self._ask(nodes, _ASK_SERVICES_SECONDS + len(nodes) / 20, token)
        hanging = [node for node in nodes if node not in prints]
        return prints | (self._ask(hanging) if prints and hanging else {})

    def _ask(self, nodes: Sequence[str], seconds: float = _ASK_SECONDS, token: str = "") -> dict[str, Any]:
        """Fingerprints of the nodes that give one; none of them while there is no API."""
        more = [token] if token else []
        try:
            return dict(self.context.salt.ask(nodes, "bootstrap.fingerprint", *more, timeout=seconds).values)
        except SaltError:
            return {}  # not up yet, or not ours yet: then every node is visited, and its answer awaited

    def _look_at_master(self, wanted: _Wanted) -> salt_master.Found:
        paths_wanted = "\n".join([*wanted.served, *wanted.master, *wanted.tls, salt_files.CA])
        result = self.context.hosts.run(wanted.admin, salt_master.INSPECT, sudo=True, stdin=paths_wanted)
        return salt_master.parse(_succeeded(result, "the Salt master's files could not be read").out)

    def _refuse_other_state(self, wanted: _Wanted, found: salt_master.Found) -> None:
        content, _mode = wanted.minions[wanted.admin][salt_files.CA]
        there = found.sums.get(salt_files.CA)
        state_folder.refuse_other(self.context.cluster.env, wanted.admin, salt_files.CA, content, there)

    def _serve(self, wanted: _Wanted, found: salt_master.Found) -> None:
        """Bring the admin node's files, artifacts and services to what is wanted."""
        if found.unknown:
            self.notes.append(
                f"{len(found.unknown)} keys are offered to the master and not accepted: {', '.join(found.unknown[:5])}"
            )
        everything = {**wanted.served, **wanted.master, **wanted.tls}
        differing = salt_master.difference(everything, found)
        script = units.ensure(
            {
                "salt-master": salt_files.files_hash(wanted.master),
                "salt-api": salt_files.files_hash({**wanted.master, **wanted.tls}),
            }
        )
        removal = "".join(f"rm -f -- '{path}'\n" for path in differing.remove)
        certificate = _RELOAD_NGINX if wanted.tls.keys() & differing.files.keys() else ""
        result = self._put(wanted.admin, differing.files, removal + certificate + script)
        self.changes[wanted.admin] += len(differing.files) + len(differing.remove)
        self._note_restarts(wanted.admin, result, differing.files)
        self._artifacts(wanted.admin, found)
        if self.repository is not None:
            self.changes[wanted.admin] += self.repository.put(self.context.hosts, wanted.admin, self.progress)

    def _note_restarts(self, node: str, result: Result, files: Files) -> None:
        started = units.started_of(result.out)
        if started and not files:
            self.changes[node] += 1
        if set(started) & {"salt-master", "salt-api"}:
            self.restarted = True
            self.context.salt.reset()

    def _artifacts(self, admin: str, found: salt_master.Found) -> None:
        artifacts, hosts = list(self.context.artifacts.values()), self.context.hosts
        absent = salt_master.missing(artifacts, found)
        if absent:
            result = hosts.run(admin, salt_master.take_from_cache(absent), sudo=True, timeout=300)
            taken = _succeeded(result, "artifacts could not be served").out.split()
            for artifact in absent:
                if artifact.sha256 not in taken:
                    self.progress(admin, f"sending {artifact.file}")
                    sent = hosts.put_file(admin, artifact.path, salt_master.served(artifact))
                    _succeeded(sent, f"{artifact.file} could not be sent")
        script = salt_master.link_names(artifacts, found)
        if script:
            _succeeded(hosts.run(admin, f"set -e\n{script}", sudo=True), "artifacts could not be named")
        self.changes[admin] += len(absent) + len(script.splitlines())

    def _visit(self, wanted: _Wanted, nodes: Sequence[str]) -> None:
        def put(node: str) -> int:
            result = self._put(node, wanted.minions[node], units.ensure({"salt-minion": wanted.marks[node]}))
            changed = len(file_tree.changed_of(result.out))
            return changed or len(units.started_of(result.out))

        failures = []
        for node, outcome in self.context.hosts.each(nodes, put).items():
            if isinstance(outcome, OperatorError):
                failures.append(outcome)
            else:
                self.changes[node] += outcome
        if failures:
            raise _together(failures)

    def _put(self, node: str, files: Files, then: str) -> Result:
        """In one round trip where Salt is installed already, as on a baked image."""
        hosts, check = self.context.hosts, salt_install.check()
        result = hosts.put_tree(node, files, first=check, then=then)
        if result.status == salt_install.NEEDED:
            self.installer.install(node)
            self.changes[node] += 1
            result = hosts.put_tree(node, files, first=check, then=then)
        return _succeeded(result, f"Salt could not be set up on {node}")

    def _await(self, nodes: Iterable[str], wanted: _Wanted) -> dict[str, Any]:
        """The fingerprints of all `nodes`, once they are right."""
        self._await_api(wanted.admin)
        self.progress("", "waiting for the minions")
        missing, prints = list(nodes), dict[str, Any]()
        bound = _MINION_SECONDS + len(missing) / 20
        now = time.monotonic()
        deadline, revive = now + bound, now + bound / 2
        patience = _FIRST_ASK_SECONDS  # a minion that connects just after we asked does not hear the question
        while missing:
            prints |= self._ask(missing, patience)
            patience = min(1.5 * patience, 2 * _ASK_SECONDS)
            missing = [node for node in missing if not _right(prints.get(node), wanted, node)]
            if missing and time.monotonic() > revive:
                self._restart(missing, "salt-minion")
                revive = math.inf
            elif missing and time.monotonic() > deadline:
                raise self._minions_silent(missing, prints)
        return prints

    def _restart(self, nodes: Sequence[str], services: str) -> None:
        """What runs and yet does not answer hangs; it has had ample time."""
        self.progress("", f"restarting {services}, silent on {', '.join(nodes[:5])}")
        for node, result in self.context.hosts.run_all(f"systemctl restart {services}", nodes, sudo=True).items():
            if isinstance(result, OperatorError):
                raise result
            self.changes[node] += 1

    def _await_api(self, admin: str) -> None:
        self.progress(admin, "waiting for the Salt master and its API")
        deadline, revived = time.monotonic() + _API_SECONDS, False
        while True:
            try:
                self.context.salt.login()
            except SaltError as error:
                if not revived and time.monotonic() > deadline - _API_SECONDS / 2:
                    self._restart([admin], "salt-master salt-api")  # they run and do not answer: they hang
                    deadline, revived = time.monotonic() + _API_SECONDS, True
                elif time.monotonic() > deadline:
                    lines = self._journal(admin, "salt-master", "salt-api")
                    raise SaltError(
                        "the Salt master's API did not come up",
                        where=error.where,
                        lines=[*error.lines, *lines],
                        cause=error.cause,
                        next_step=f"bootstrap ssh {admin} -- journalctl -u salt-master -u salt-api",
                    ) from error
                time.sleep(_AGAIN_SECONDS)
            else:
                return

    def _sync(self, nodes: Sequence[str], wanted: _Wanted) -> None:
        """New custom modules for nodes that were not visited: 1.4 s of CPU each, so only where they differ."""
        if not nodes:
            return
        self.progress("", f"new Salt modules for {len(nodes)} nodes")
        self.context.salt.call(nodes, "saltutil.sync_all", timeout=120)
        prints = self.context.salt.call(nodes, "bootstrap.fingerprint")
        stale = [node for node in nodes if prints[node]["modules"] != wanted.modules]
        if stale:
            raise SaltError(
                f"Salt's custom modules are not up to date on {', '.join(stale)}",
                where=salt_files.EXTENSIONS,
                cause="files were put there by hand, or the master serves other ones than this checkout has",
                next_step=f"bootstrap ssh {stale[0]} -- rm -r {salt_files.EXTENSIONS}; then run the same command again",
            )
        for node in nodes:
            self.changes[node] += 1

    def _minions_silent(self, missing: Sequence[str], prints: Mapping[str, Any]) -> SaltError:
        first = missing[0]
        said = "answers with another configuration" if first in prints else "does not answer"
        return SaltError(
            f"no Salt minion on {', '.join(missing[:10])}" + (" ..." if len(missing) > 10 else ""),
            where=f"{len(missing)} of {len(self.nodes)} nodes",
            lines=[f"{first} {said}; the end of its journal:", *self._journal(first, "salt-minion")],
            cause="the minion cannot reach the master's ports 4505 and 4506, or does not start",
            next_step=f"bootstrap ssh {first} -- journalctl -u salt-minion; then run the same command again",
        )

    def _journal(self, node: str, *names: str) -> Sequence[str]:
        wanted = " ".join(f"-u {name}" for name in names)
        try:
            result = self.context.hosts.run(
                node, f"journalctl --no-pager -o cat -n {_JOURNAL_LINES} {wanted}", sudo=True, timeout=10
            )
        except OperatorError as error:
            return [error.what, *error.lines]
        return result.tail(_JOURNAL_LINES)


def _right(found: Any, wanted: _Wanted, node: str) -> bool:
    """The running minion and the files under it are the wanted ones."""
    return isinstance(found, Mapping) and found.get("loaded") == found.get("files") == wanted.marks[node]


def _succeeded(result: Result, what: str) -> Result:
    if not result.ok:
        raise SaltError(
            what,
            where=f"node {result.node}",
            lines=result.tail(),
            cause="the disk is full, or the user may not use sudo" if not result.timed_out else "it took too long",
            next_step="put right what the lines say, then run the same command again",
        )
    return result


def _together(failures: Sequence[OperatorError]) -> OperatorError:
    """One error for several nodes: the first one's kind, everybody's lines."""
    first = failures[0]
    if len(failures) == 1:
        return first
    return type(first)(
        f"{len(failures)} nodes could not be set up: {first.what}, ...",
        where="; ".join(failure.where for failure in failures[:10]),
        lines=[f"{failure.what}: {line}" for failure in failures for line in (failure.lines[-1:] or [""])],
        cause=first.cause,
        next_step=first.next_step,
    )
