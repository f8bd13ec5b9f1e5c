"""Machines as containers that boot systemd, on this machine's Docker engine."""

from __future__ import annotations

import io
import socket
import tarfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from bootstrap import paths, ssh_config, ssh_keys
from bootstrap.drivers import Created, docker_network, env_option
from bootstrap.drivers.docker_cli import ENV_LABEL, NODE_LABEL, attempt, docker, inspect, labelled
from bootstrap.drivers.docker_machine import Action, Existing, container_name, create_arguments, decide
from bootstrap.errors import MachinesError, OperatorError
from bootstrap.host_keys import KnownHosts
from bootstrap.model import Cluster, Machine, Node
from bootstrap.process import Progress, run

CGROUP_V2_MARK = Path("/sys/fs/cgroup/cgroup.controllers")
_AT_ONCE = 8  # machines booted at the same time; more only compete for the same disks and cores
_BOOT_SECONDS = 90.0
_SSH_PORT = 22
_POLL_SECONDS = 0.2
_AUTHORIZED_KEYS = "/root/.ssh/authorized_keys"
_BOOT_FAILURES = (
    ("inotify", "the host's inotify instances are used up: raise the sysctl fs.inotify.max_user_instances to 1024"),
    ("Failed to mount cgroup", "the host's cgroup tree is not as systemd needs it: see the preflight findings"),
    ("No space left on device", "a disk of the host is full"),
    ("Operation not permitted", "the engine may not give the capabilities that systemd needs (rootless engine?)"),
)

Item = TypeVar("Item")
Result = TypeVar("Result")


class DockerDriver:
    """Driver `docker`: everything it makes carries the label of the environment."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.env = cluster.env

    def create(self, progress: Progress) -> Created:
        """Engine, image, network, machines: made or picked up, at most `_AT_ONCE` machines at a time."""
        from bootstrap import engine, image, preflight

        known = self._created_if_well()
        if known:
            return known
        engine.ensure(progress)
        key = ssh_keys.public_line(self.env)
        existing = self._existing()
        self._refuse_others(existing.values(), key)
        preflight.require(self.cluster)
        reference = image.ensure(self.cluster, progress)
        docker_network.ensure(self.cluster, progress)
        changes: dict[str, int] = {}

        def one(node: Node) -> Machine:
            changes[node.name] = self._bring_up(node, existing.get(node.name), reference, key, progress)
            return self._machine(node)

        return Created(for_each(self.cluster.nodes, one), changes)

    def machines(self) -> tuple[Machine, ...]:
        """What runs now. A machine that does not answer `docker exec` is not counted as running."""
        existing = self._existing()
        running = [node for node in self.cluster.nodes if _runs(existing.get(node.name))]
        return for_each(running, self._machine)

    def destroy(self, node: str | None = None) -> tuple[str, ...]:
        """Remove our containers with their volumes, then our network; with `node` that container alone."""
        return destroy(self.env, node)

    def _existing(self) -> dict[str, Existing]:
        """Containers under the names of our nodes, ours or not."""
        names = [container_name(self.env, node.name) for node in self.cluster.nodes]
        found = [Existing.of(facts) for facts in inspect("container", names)]
        return {existing.name.removeprefix(f"utopia-{self.env}-"): existing for existing in found}

    def _created_if_well(self) -> Created | None:
        """All machines, where there is nothing to do; None else. They have shown the keys that were recorded."""
        if not self._all_well():
            return None
        recorded = KnownHosts([paths.state_dir(self.env) / "ssh" / "known_hosts"])
        addresses = {node.name: str(node.address) for node in self.cluster.nodes}
        machines = tuple(
            Machine(name, address, _SSH_PORT, "root", recorded.keys((address,), _SSH_PORT))
            for name, address in addresses.items()
        )
        return Created(machines, dict.fromkeys(addresses, 0))

    def _all_well(self) -> bool:
        """Whether every machine runs as wanted and lets us in over SSH, with the host key that was recorded.

        That is one look at the engine and one at each machine, over connections which the checks use again.
        """
        config = ssh_config.path_of(self.env)
        try:
            existing = self._existing()
        except MachinesError:  # no engine: what follows says so, or installs one
            return False
        if not config.exists() or not all(
            self._as_wanted(node, existing.get(node.name)) for node in self.cluster.nodes
        ):
            return False
        return all(for_each(self.cluster.nodes, lambda node: _lets_in(config, node.name)))

    def _as_wanted(self, node: Node, existing: Existing | None) -> bool:
        wanted = create_arguments(self.cluster, node, cgroup_v2=CGROUP_V2_MARK.exists())[-1].rpartition("=")[2]
        return (
            existing is not None
            and existing.network == self.cluster.network
            and decide(existing, self.env, wanted, "") is Action.KEEP
        )

    def _refuse_others(self, existing: Iterable[Existing], key: str) -> None:
        """Machines that trust another key of this environment were made with another state folder, which has the
        passwords and certificates that their services know: making these anew would break what runs.
        """
        ours = [machine for machine in existing if machine.env == self.env and machine.booted]
        strange = [m.name for m in ours if is_of_other_state(self._authorized_keys(m.name), key, self.env)]
        if strange:
            raise MachinesError(
                f"the state folder of environment '{self.env}' is not the one its machines were made with",
                where=str(paths.state_path(self.env)),
                lines=[f"made with the keys of another one: {', '.join(strange)}"],
                cause="the folder was lost or moved, or UTOPIA_STATE_DIR names another place than before",
                next_step="put the old folder back, or name its place in UTOPIA_STATE_DIR; if it is lost: "
                f"`bootstrap destroy --env {env_option(self.cluster)}` (the machines' data goes), then start anew",
            )

    def _bring_up(self, node: Node, existing: Existing | None, reference: str, key: str, progress: Progress) -> int:
        """Number of things that had to be done so that the machine runs and lets us in."""
        arguments = create_arguments(self.cluster, node, cgroup_v2=CGROUP_V2_MARK.exists())
        wanted = arguments[-1].rpartition("=")[2]
        action = decide(existing, self.env, wanted, reference)
        name = container_name(self.env, node.name)
        if action is Action.REFUSE:
            raise refusal(self.cluster, node, existing)
        if action is Action.REMAKE:
            remove_container(name)
        if action in {Action.MAKE, Action.REMAKE} and not _made(arguments, reference, node):
            return self._bring_up(node, self._existing().get(node.name), reference, key, progress)
        if existing is not None and existing.state == "paused":
            docker("unpause", name, where=node.name)
        if action is not Action.KEEP:
            progress(node.name, action.value)
        authorized = self._authorize(name, key)
        ran = action in {Action.KEEP, Action.START}  # for a new machine the key is a part of making it
        changes = int(action is not Action.KEEP) + int(ran and authorized)
        if action is not Action.KEEP:
            docker("start", name, where=node.name)
        started = time.monotonic()
        _wait_booted(name, node, started + _BOOT_SECONDS)
        if action is not Action.KEEP:
            progress(node.name, f"answers on SSH after {time.monotonic() - started:.1f} s")
        return changes

    def _authorize(self, name: str, key: str) -> bool:
        """Put the environment's public key where sshd looks; True when it was not there. Needs no running machine."""
        if f"{key}\n" in self._authorized_keys(name):
            return False
        docker("cp", "-", f"{name}:/root", stdin=_key_archive(key), where=name)
        return True

    def _authorized_keys(self, name: str) -> str:
        """The file as a tar stream, "" where there is none."""
        present = attempt("cp", f"{name}:{_AUTHORIZED_KEYS}", "-")
        return present.out if present.ok else ""

    def _machine(self, node: Node) -> Machine:
        """Host keys are read through the engine, so the first SSH connection is already verified."""
        name = container_name(self.env, node.name)
        keys = docker("exec", name, "sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub", where=node.name)
        fields = tuple(" ".join(line.split()[:2]) for line in keys.splitlines())
        return Machine(node.name, str(node.address), _SSH_PORT, "root", fields)


def for_each(items: Sequence[Item], work: Callable[[Item], Result]) -> tuple[Result, ...]:
    """`work` on all items, some at a time. All are tried; the failures are reported together."""
    if not items:
        return ()
    results: list[Result] = []
    failures: list[OperatorError] = []
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        futures = [pool.submit(work, item) for item in items]
        for future in futures:
            try:
                results.append(future.result())
            except OperatorError as error:
                failures.append(error)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise MachinesError(
            f"{len(failures)} machines failed",
            where=", ".join(sorted({failure.where for failure in failures})),
            lines=[f"{failure.where}: {line}" for failure in failures for line in (failure.what, *failure.lines)],
            cause=failures[0].cause,
            next_step=failures[0].next_step,
        )
    return tuple(results)


def _made(arguments: list[str], reference: str, node: Node) -> bool:
    """False when the name was taken a moment ago: by the last command of a run that was killed."""
    done = attempt("create", *arguments, reference)
    if not done.ok and "is already in use by container" not in done.err:
        raise MachinesError(
            "the machine could not be made",
            where=node.name,
            lines=done.tail(),
            next_step="look at the lines above; `docker info` says whether the engine is well",
        )
    return done.ok


def destroy(env: str, node: str | None = None) -> tuple[str, ...]:
    """Remove what carries the label of `env`; no file needs to be readable for that. An engine that stands still is
    started: it may have some. Where none was ever installed there is nothing.
    """
    from bootstrap import engine

    if engine.missing_packages({"docker": engine.ENGINE_PROGRAMS["docker"]}):
        return ()
    engine.ensure(lambda _node, _text: None)
    labels = {ENV_LABEL: env} | ({NODE_LABEL: node} if node else {})
    found = inspect("container", labelled("container", labels))

    def remove(facts: Mapping[str, Any]) -> str:
        remove_container(facts["Id"])
        return str(facts["Name"]).removeprefix("/")

    removed = sorted(for_each(found, remove))
    if node is None:
        removed += docker_network.remove(env)
    return tuple(removed)


def is_of_other_state(authorized: str, key: str, env: str) -> bool:
    """Whether a machine trusts a key of the environment, and not ours. `authorized`: the file in a tar stream."""
    # Header and padding of the stream are NULs beside the text, and there is a header before the first line.
    lines = [line.strip("\0 ").rpartition("\0")[2] for line in authorized.splitlines()]
    return key not in lines and any(line.endswith(f" utopia-{env}") for line in lines)


def _lets_in(config: Path, node: str) -> bool:
    """Whether SSH gets in, with the recorded host key, and systemd has booted."""
    done = run(["ssh", "-F", str(config), "-o", "BatchMode=yes", node, "systemctl is-system-running"], timeout=20)
    return done.out.strip() in {"running", "degraded"}


def _runs(existing: Existing | None) -> bool:
    return existing is not None and existing.state == "running"


def remove_container(container: str) -> None:
    """With its anonymous volumes. One that goes at this moment by another hand is gone just as well."""
    done = attempt("rm", "--force", "--volumes", container, timeout=120)
    if not done.ok and "no such container" not in done.err.lower() and "already in progress" not in done.err:
        raise MachinesError(
            "a machine could not be removed",
            where=container,
            lines=done.tail(),
            next_step="run the same command again; if it stays, restart the Docker engine",
        )


def refusal(cluster: Cluster, node: Node, existing: Existing | None) -> MachinesError:
    if existing is None or existing.env != cluster.env:
        return MachinesError(
            f"a container named {container_name(cluster.env, node.name)} exists and is not ours",
            where=node.name,
            cause="it lacks the label of this environment, so it is never touched",
            next_step="rename or remove it, or choose another name for the environment",
        )
    return MachinesError(
        "the machine exists with other container arguments than the topology asks for",
        where=node.name,
        cause="address, roles or driver settings were changed after it was made; a container cannot take them later",
        next_step=f"`bootstrap destroy --env {env_option(cluster)} --node {node.name}` (its data goes), then again",
    )


def _key_archive(key: str) -> bytes:
    """A tar stream with .ssh/authorized_keys for the root user."""
    buffer = io.BytesIO()
    content = f"{key}\n".encode()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folder = tarfile.TarInfo(".ssh")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o700
        archive.addfile(folder)
        file = tarfile.TarInfo(".ssh/authorized_keys")
        file.size, file.mode = len(content), 0o600
        archive.addfile(file, io.BytesIO(content))
    return buffer.getvalue()


def _wait_booted(name: str, node: Node, deadline: float) -> None:
    """Until systemd has finished booting and sshd greets. Fails at once when the machine ends."""
    state = "no answer"
    while time.monotonic() < deadline:
        state = attempt("exec", name, "systemctl", "is-system-running").out.strip() or "no answer"
        if state in {"running", "degraded"} and _greets(str(node.address)):
            return
        if attempt("container", "inspect", "--format={{.State.Running}}", name).out.strip() == "false":
            state = "stopped"
            break
        time.sleep(_POLL_SECONDS)
    lines = _boot_log(name)
    raise MachinesError(
        f"the machine did not come up (systemd says: {state})",
        where=node.name,
        lines=lines,
        cause=boot_failure_cause(lines),
        next_step=f"put that right, then run the same command again; `docker rm -fv {name}` makes this machine anew",
    )


def boot_failure_cause(lines: Sequence[str]) -> str:
    """What the last words of a machine mean, where they are known."""
    text = "\n".join(lines)
    for words, cause in _BOOT_FAILURES:
        if words in text:
            return cause
    return "the host may lack memory, or forbid what systemd needs as PID 1"


def await_booted(cluster: Cluster) -> None:
    """Until all machines of the environment have booted and answer on SSH."""
    deadline = time.monotonic() + _BOOT_SECONDS
    for_each(cluster.nodes, lambda node: _wait_booted(container_name(cluster.env, node.name), node, deadline))


def _greets(address: str) -> bool:
    """Whether an SSH server answers with its banner."""
    try:
        with socket.create_connection((address, _SSH_PORT), timeout=1) as connection:
            connection.settimeout(1)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _boot_log(name: str) -> tuple[str, ...]:
    """Failed units and the end of the journal where systemd runs, else what PID 1 printed."""
    failed = attempt("exec", name, "systemctl", "--failed", "--no-legend", "--plain")
    journal = attempt("exec", name, "journalctl", "--boot", "--no-pager", "--priority=warning", "--lines=15")
    if journal.ok:
        return (*failed.tail(5), *journal.tail())
    return attempt("logs", "--tail=20", name).tail(20)
