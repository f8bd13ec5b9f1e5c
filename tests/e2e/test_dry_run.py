"""Every state of every environment in test mode on a bare machine without a cluster: none fails, and none acts."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bare_hosts import BOOT_SECONDS, LABEL, ensure_image
from lab import say
from more_topologies import with_aggregators

from bootstrap import config, engine, paths, plan, wheelhouse
from bootstrap.drivers.docker import CGROUP_V2_MARK
from bootstrap.drivers.docker_cli import attempt, docker
from bootstrap.drivers.docker_machine import boot_arguments

pytestmark = pytest.mark.e2e
NAME = "utopia-bare-dry-run"
RUNNER = paths.CHECKOUT / "tests/states/dry_run.py"
STORE = "/var/cache/utopia/artifacts"
# What earlier steps than the states, or another state's program, put in place: test mode does not make it.
MADE_BEFORE = (
    "/etc/utopia/ca.crt",
    "/usr/lib/libmesos.so",
    "/opt/utopia/services/before/parts/utopia-scheduler",
    "/opt/utopia/services/before/parts/utopia-router",
    "/opt/utopia/services/before/parts/utopia-exporter",
)
IGNORED = (
    "/run",
    "/tmp",
    "/var/log",
    "/var/lib/systemd",
    "/var/cache/ldconfig",
    "/var/cache/apt",
    "/var/lib/apt",
    "/var/tmp",
    "/root",
)


@pytest.fixture(scope="module")
def machine() -> Iterator[str]:
    """A bare host, with Salt's venv and the states mounted read-only."""
    engine.ensure(lambda _node, _text: None)
    packages = next((wheelhouse.ensure_venv(lambda _node, _text: None) / "lib").glob("python3*/site-packages"))
    mounts = [f"--volume={packages}:/opt/salt:ro", f"--volume={paths.SALT}:/srv/salt:ro"]
    attempt("rm", "--force", "--volumes", NAME)
    arguments = [f"--name={NAME}", f"--label={LABEL}=dry-run", "--network=none", *mounts]
    docker("run", "--detach", *arguments, *boot_arguments(cgroup_v2=CGROUP_V2_MARK.exists()), ensure_image())
    deadline = time.monotonic() + BOOT_SECONDS
    while attempt("exec", NAME, "systemctl", "is-system-running").out.strip() not in {"running", "degraded"}:
        assert time.monotonic() < deadline, "the machine did not boot"
        time.sleep(0.3)
    yield NAME
    attempt("rm", "--force", "--volumes", NAME)


def minions() -> dict[str, dict[str, Any]]:
    """One node of every kind of every environment, with the pillar that the master would give it."""
    found: dict[str, dict[str, Any]] = {}
    for env in config.environments():
        made = plan.make(config.load(env))
        kinds = set()
        for node, own in made.node_pillar.items():
            kind = (tuple(own["components"]), made.secrets[node])
            if kind not in kinds:
                kinds.add(kind)
                found[f"{made.env}/{node}"] = {"pillar": _pillar(made, node)}
    return found


def aggregator(folder: Path) -> dict[str, dict[str, Any]]:
    """A node with the one role that no environment here has."""
    made = plan.make(config.load(with_aggregators(folder)))
    return {"aggregators/control-1": {"pillar": _pillar(made, "control-1")}}


def archive() -> bytes:
    """What every artifact is here: an archive with one folder."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as file:
        folder = tarfile.TarInfo("something-1")
        folder.type = tarfile.DIRTYPE
        file.addfile(folder)
    return content.getvalue()


ARCHIVE = archive()


def _pillar(made: plan.Plan, node: str) -> dict[str, Any]:
    row = {"sha256": hashlib.sha256(ARCHIVE).hexdigest(), "version": "1", "image": "x:1"}
    files = {name: {"file": f"{name}.tar.gz", **row} for name in made.artifacts}
    secrets = {name: f"secret-of-{name}" for name in made.secrets[node]}
    pillar = {**made.pillar, **made.node_pillar[node], "secrets": secrets}
    pillar["artifacts"] = {"url": f"file://{STORE}", "files": files}
    if node in made.certificates:
        pillar |= {"certificate": "CERTIFICATE\n", "key": "KEY\n"}
    return json.loads(json.dumps(pillar))


def changed(machine: str) -> set[str]:
    lines = docker("diff", machine).splitlines()
    return {
        line
        for line in lines
        if not line[2:].startswith(IGNORED) and line[2:] not in ("/var", "/var/lib", "/var/cache")
    }


def test_no_state_fails_and_none_acts(machine: str, tmp_path: Path) -> None:
    nodes = {**minions(), **aggregator(tmp_path)}
    names = {file["file"] for one in nodes.values() for file in one["pillar"]["artifacts"]["files"].values()}
    put = f"mkdir -p {STORE}; cd {STORE}; cat >first; for name in {' '.join(sorted(names))}; do cp first $name; done"
    docker("exec", "-i", machine, "sh", "-c", put, stdin=ARCHIVE)
    make = f"for path in {' '.join(MADE_BEFORE)}; do mkdir -p $(dirname $path); echo made >$path; done"
    docker("exec", machine, "sh", "-c", f"{make}; ln -s before /opt/utopia/services/current")
    before = changed(machine)
    started = time.monotonic()
    order = json.dumps({"salt": "/srv/salt", "minions": nodes})
    command = ["exec", "-i", "--env=PYTHONPATH=/opt/salt", "--env=PYTHONDONTWRITEBYTECODE=1", machine, "python3", "-c"]
    done = attempt(*command, RUNNER.read_text(), stdin=order.encode(), timeout=400)
    assert done.ok, done.tail(30)
    answers = json.loads(done.out)
    assert set(answers) == set(nodes)
    wrong = {
        f"{node} {state}": row
        for node, states in answers.items()
        for state, row in (states.items() if isinstance(states, dict) else enumerate(states))
        if not isinstance(states, dict) or row[0] is False
    }
    assert wrong == {}, "\n".join(f"{key}: {row}" for key, row in wrong.items())
    assert all(len(states) > 10 for states in answers.values())
    assert changed(machine) == before
    total = sum(len(states) for states in answers.values())
    say(f"{total} states of {len(nodes)} kinds of nodes in test mode in {time.monotonic() - started:.1f} s")


def test_every_environment_is_tried() -> None:
    assert {name.split("/")[0] for name in minions()} == {
        path.parent.name for path in Path(paths.PILLAR).glob("env/*/*.yaml")
    }
