"""Runs the role contracts (tests/roles, Testinfra) against the machines and reads their verdict.

The tests run in a process of their own. What is believed is the JUnit file that it leaves: no check
executed, a node without a check, or a pytest that ended in any other way than "all passed" or "some
failed" is a failure, never green.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bootstrap import drivers, paths, sudo_password
from bootstrap.errors import VerifyError
from bootstrap.health import env_argument
from bootstrap.model import Cluster
from bootstrap.secrets import Secrets

TESTS = paths.CHECKOUT / "tests" / "roles"
ALIKE = 3  # failures of one node for the same reason are told one by one up to this number
SECONDS = 600  # a verify that takes longer hangs
_PASSED, _FAILED = 0, 1  # the only exit statuses with which pytest says that it ran everything

Progress = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Check:
    """One executed check. `node` is "" for what is asked of the role as a whole; `why` is "" when it passed."""

    role: str
    node: str
    what: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.node or 'cluster'}: {self.what} ({self.role})" + (f": {self.why}" if self.why else "")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Every executed check. `broken`: why the checks as a whole cannot be believed. `argument`: for --env."""

    env: str
    checks: tuple[Check, ...]
    broken: tuple[str, ...]
    seconds: float
    argument: str

    @property
    def passed(self) -> int:
        """How many checks passed."""
        return sum(not check.why for check in self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if check.why)

    @property
    def ok(self) -> bool:
        """Whether everything was executed and passed."""
        return bool(self.checks) and not self.failed and not self.broken

    def error(self) -> VerifyError | None:
        """What to tell the operator, None when all is well."""
        if self.ok:
            return None
        nodes = [check.node for check in self.failed if check.node]
        what = f"{len(self.failed)} of {len(self.checks)} checks failed"
        if not self.failed:
            what = "the checks did not run as they should"
        return VerifyError(
            what,
            where=f"environment {self.env}",
            lines=_told(self.failed) + list(self.broken),
            cause="the nodes differ from what the files say" if self.failed else "see the lines above",
            next_step=f"bootstrap status --env {self.argument}"
            + (f"; bootstrap verify --env {self.argument} --node {nodes[0]}" if nodes else ""),
        )

    def raise_if_failed(self) -> None:
        """Raises VerifyError with a line per failed check."""
        if error := self.error():
            raise error

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "env": self.env,
            "ok": self.ok,
            "passed": self.passed,
            "failed": len(self.failed),
            "seconds": round(self.seconds, 3),
            "broken": list(self.broken),
            "checks": [
                {"role": c.role, "node": c.node, "what": c.what, "ok": not c.why, "why": c.why} for c in self.checks
            ],
        }


def verify(
    cluster: Cluster, progress: Progress, *, roles: Sequence[str] = (), nodes: Sequence[str] = (), tests: Path = TESTS
) -> Verdict:
    """Run the checks of these roles on these nodes (none given: all). A failed check is in the verdict."""
    return Verification(cluster, roles=roles, nodes=nodes, tests=tests).verdict(progress)


class Verification:
    """Checks under way, begun when this is made. Either `verdict` or `abandon` must be called."""

    def __init__(
        self, cluster: Cluster, *, roles: Sequence[str] = (), nodes: Sequence[str] = (), tests: Path = TESTS
    ) -> None:
        self._cluster = cluster
        self._expected = expected_nodes(cluster, roles, nodes)
        self._started = time.monotonic()
        self._folder = tempfile.TemporaryDirectory(prefix="utopia-verify-")
        self._junit = Path(self._folder.name) / "junit.xml"
        sources = {machine.sudo_password for machine in drivers.get(cluster).machines()} if _over_ssh(cluster) else ()
        self._events, end = os.pipe()
        try:
            with sudo_password.handed_over(sources) as pipes:
                self._process = _start(_command(cluster, roles, nodes, tests, self._junit), end, pipes)
        finally:
            os.close(end)

    def verdict(self, progress: Progress) -> Verdict:
        """Wait for the end; what has happened so far, and what happens then, becomes progress."""
        with self._folder:
            status, said = self._wait(progress)
            hide = _hider(self._cluster.env)
            checks, broken = read(self._junit)
        broken += [hide(line) for line in _doubts(status, said, broken)]
        broken += _unproven(checks, self._expected)
        hidden = tuple(Check(check.role, check.node, check.what, hide(check.why)) for check in checks)
        seconds = time.monotonic() - self._started
        return Verdict(self._cluster.env, hidden, tuple(broken), seconds, env_argument(self._cluster))

    def terminate(self) -> None:
        """Ask it to end, without waiting. The checks' own clean-up runs on the signal."""
        self._process.terminate()

    def abandon(self) -> None:
        """End it: nobody wants to know any more."""
        self.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.communicate(timeout=10)
        os.close(self._events)
        self._folder.cleanup()

    def _wait(self, progress: Progress) -> tuple[int, list[str]]:
        """pytest's exit status and what it said."""
        teller = threading.Thread(target=_tell, args=(os.fdopen(self._events), progress), daemon=True)
        teller.start()
        process = self._process
        try:
            said, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            said = process.communicate()[0] + f"\nended after {SECONDS} s"
        except BaseException:  # interrupted: the checks' own clean-up runs on this signal
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            raise
        teller.join(5)
        return process.returncode, said.splitlines()


def expected_nodes(cluster: Cluster, roles: Collection[str], nodes: Collection[str]) -> set[str]:
    """The nodes of which at least one check must have run."""
    return {
        node.name
        for node in cluster.nodes
        if (not nodes or node.name in nodes) and (not roles or {"base", *node.roles} & set(roles))
    }


def read(junit: Path) -> tuple[list[Check], list[str]]:
    """The checks of a JUnit file, and what is wrong with the file itself."""
    try:
        cases = ET.parse(junit).getroot().iter("testcase")  # noqa: S314
    except (OSError, ET.ParseError) as error:
        return [], [f"pytest left no result: {error}"]
    checks, broken = [], []
    for case in cases:
        facts = {entry.get("name", ""): entry.get("value", "") for entry in case.iter("property")}
        name = f"{case.get('classname')}.{case.get('name')}"
        bad = [child for child in case if child.tag in ("failure", "error")]
        why = _first_line(bad[0].get("message") or bad[0].text or "no reason given") if bad else ""
        if "role" not in facts:
            broken.append(f"{name}: {why or 'a check that belongs to no role'}")
        elif case.find("skipped") is not None:
            broken.append(f"{name}: was skipped, which proves nothing")
        else:
            checks.append(Check(facts["role"], facts.get("node", ""), facts.get("check", name), why))
    return checks, broken


def _command(cluster: Cluster, roles: Iterable[str], nodes: Iterable[str], tests: Path, junit: Path) -> list[str]:
    command = [sys.executable, "-m", "pytest", str(tests), "-q", "--tb=short", "--show-capture=no", "--color=no"]
    command += ["-p", "no:cacheprovider", f"--rootdir={paths.CHECKOUT}", "-c", str(paths.CHECKOUT / "pyproject.toml")]
    command += ["-p", "no:hypothesispytest"]  # no check needs it, and it takes longer to load than all the rest
    command += [f"--junit-xml={junit}", "-o", "junit_family=xunit1", f"--utopia-env={cluster.path}"]
    command += [f"--utopia-role={role}" for role in roles]
    return command + [f"--utopia-node={node}" for node in nodes]


def _over_ssh(cluster: Cluster) -> bool:
    """Only of hosts that we did not make may sudo ask for a password."""
    return cluster.driver == "ssh"


def _start(command: list[str], events: int, sudo: Sequence[int] = ()) -> subprocess.Popen[str]:
    """pytest, writing its events to a file descriptor. What it compiles is kept out of the checkout, and used again."""
    environment = {
        **os.environ,
        "PYTHONPYCACHEPREFIX": str(paths.cache_dir() / "bytecode"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # those that happen to be installed cost half a second
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if sudo:
        environment[sudo_password.PIPE_VARIABLE] = str(sudo[0])
    return subprocess.Popen(
        [*command, f"--utopia-events={events}"],
        cwd=paths.CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=(events, *sudo),
        env=environment,
    )


def _tell(events: IO[str], progress: Progress) -> None:
    """A line per failed check at once, a line per role when all its checks have run."""
    awaited: Counter[str] = Counter()
    done: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for line in events:
        event = json.loads(line)
        if "awaited" in event:
            awaited.update(event["awaited"])
            continue
        role = event["role"]
        done[role] += 1
        if not event["ok"]:
            failed[role] += 1
            progress(event["node"], f"failed: {event['check']} ({role})")
        if done[role] == awaited[role]:
            progress("", f"{role}: {done[role] - failed[role]} of {done[role]} checks passed")


def _doubts(status: int, said: Sequence[str], broken: Sequence[str]) -> list[str]:
    """Any exit status but "all passed" and "some failed" means that not everything ran."""
    if status in (_PASSED, _FAILED) and not broken:
        return []
    return [f"pytest ended with status {status}", *[line for line in said if line.strip()][-15:]]


def _unproven(checks: Iterable[Check], expected: set[str]) -> list[str]:
    proven = {check.node for check in checks}
    return [f"{node}: no check was executed" for node in sorted(expected - proven)]


def _told(failed: Iterable[Check]) -> list[str]:
    """A line per failed check; many that fail for one reason, such as a silent node, in one line."""
    alike: dict[tuple[str, str], list[Check]] = {}
    for check in failed:
        alike.setdefault((check.node, check.why), []).append(check)
    lines = []
    for (node, why), checks in alike.items():
        several = f"{node or 'cluster'}: {len(checks)} checks: {why}"
        lines += [several] if len(checks) > ALIKE else [str(check) for check in checks]
    return lines


def _first_line(text: str) -> str:
    line = text.strip().splitlines()[0].removeprefix("AssertionError: ").removeprefix("Failed: ")
    return line.split("&#10;")[0][:400]


def _hider(env: str) -> Callable[[str], str]:
    """Belt and braces: no check prints a secret, and if one did, it would not get past here."""
    secrets = Secrets(env)
    values = [secrets.value(name) for name in secrets.names()]

    def hide(text: str) -> str:
        for value in values:
            text = text.replace(value, "(secret)")
        return text

    return hide
