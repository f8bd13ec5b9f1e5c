"""`vagrant up` alone gives a cluster; it survives a reboot; `bootstrap` drives Vagrant, and removes everything.

The environment `vagrant`, or another topology with driver vagrant in UTOPIA_E2E_VAGRANT.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Run, bootstrap, say, wait_for

from bootstrap import config, paths
from bootstrap.drivers import vagrant_cli
from bootstrap.errors import ExitStatus
from bootstrap.model import VAGRANT_PROVIDERS

SPEC = os.environ.get("UTOPIA_E2E_VAGRANT", "vagrant")
CLUSTER = config.load(SPEC)
pytestmark = pytest.mark.e2e


def vagrant(*args: str, **environment: str) -> Run:
    """Run the command as a person would, in the checkout."""
    chosen = {"UTOPIA_ENV": SPEC} if SPEC != "vagrant" else {}
    if chosen:
        chosen["VAGRANT_DOTFILE_PATH"] = str(paths.state_dir(CLUSTER.env) / "dot-vagrant")
    started = time.monotonic()
    done = subprocess.run(
        ["vagrant", *args],
        cwd=paths.CHECKOUT,
        env={**os.environ, **chosen, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr, time.monotonic() - started)


def containers(*, running: bool = False) -> set[str]:
    """Names of the environment's containers."""
    states = ["--filter=status=running"] if running else ["--all"]
    listed = ["docker", "ps", *states, "--format={{.Names}}", f"--filter=label=utopia.env={CLUSTER.env}"]
    return set(subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split())


def proven() -> bool:
    """Do all checks pass on all nodes?"""
    return bootstrap("verify", "--env", SPEC, "--json").status == ExitStatus.OK


@pytest.fixture(scope="module", autouse=True)
def program() -> None:
    """Vagrant from Debian, by our own means: it is never left out."""
    vagrant_cli.ensure(lambda _node, text: say(text), "libvirt")


@pytest.fixture(scope="module")
def up() -> Iterator[Run]:
    """`vagrant up`, and nothing else; at the end everything goes."""
    bootstrap("destroy", "--env", SPEC).expect()
    yield vagrant("up")
    bootstrap("destroy", "--env", SPEC).expect()
    assert containers() == set()


@pytest.mark.parametrize("provider", VAGRANT_PROVIDERS)
def test_the_vagrantfile_is_valid_for_every_provider(provider: str, tmp_path: Path) -> None:
    stub = tmp_path / "VBoxManage"  # Vagrant asks VirtualBox for its version before it reads the block
    stub.write_text("#!/bin/sh\necho 7.0.8r156879\n")
    stub.chmod(0o755)
    environment = {"VAGRANT_DEFAULT_PROVIDER": provider, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    vagrant("validate", **environment).expect()
    inputs = bootstrap("vagrant", "--env", SPEC, "--json", env=environment).expect().document
    inputs |= {"image": None, "box": ""}  # libvirt boots without a box when it is None
    broken = tmp_path / "inputs.json"
    broken.write_text(json.dumps(inputs))
    assert vagrant("validate", UTOPIA_VAGRANT_INPUTS=str(broken), **environment).status != 0, "it is really checked"


def test_vagrant_up_alone_gives_a_cluster(up: Run) -> None:
    up.expect()
    say(f"vagrant up: {up.seconds:.1f} s")
    assert "checks passed" in up.out
    assert vagrant("ssh", "control-1", "--command", "hostname").expect().out.strip() == "control-1"
    bootstrap("status", "--env", SPEC, "--json").expect()


def test_the_cluster_comes_back_by_itself(up: Run) -> None:
    halted = vagrant("halt").expect()
    assert containers(running=True) == set()
    started = vagrant("up", UTOPIA_CONVERGE="no").expect()
    say(f"vagrant halt {halted.seconds:.1f} s, up {started.seconds:.1f} s")
    wait_for("all checks pass after a cold start, without any help", proven, within=180, every=2)


def test_bootstrap_drives_vagrant(up: Run) -> None:
    bootstrap("destroy", "--env", SPEC, "--node", "edge-1").expect()
    run = bootstrap("cluster", "--env", SPEC, "--json").expect()
    phases = {phase["name"]: phase for phase in run.document["phases"]}
    assert phases["machines"]["nodes"] == {"edge-1": 1}
    assert set(phases) >= {"smoke", "verify"}
    assert bootstrap("cluster", "--env", SPEC, "--json").expect().document["changes"] == 0
    assert vagrant("status", "edge-1", "--machine-readable").expect().out.count("state,running") == 1


def test_vagrant_up_fails_when_the_cluster_cannot_be_set_up(up: Run) -> None:
    """Another run holds the environment: neither preparing nor converging is possible."""
    from bootstrap.execute import exclusive

    with exclusive(paths.state_dir(CLUSTER.env)):
        refused = vagrant("up")
    assert refused.status != 0
    assert "another run holds this environment" in refused.err
