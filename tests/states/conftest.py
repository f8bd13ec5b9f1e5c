"""The state tree rendered once for every node of every environment under pillar/env, and for the image bake."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from more_topologies import by_newrelic, with_aggregators

from bootstrap import config, paths, plan, wheelhouse

RUNNER = Path(__file__).with_name("render.py")
ENVIRONMENTS = sorted(path.parent.name for path in (paths.PILLAR / "env").glob("*/cluster.yaml"))
COMPONENTS = sorted(path.parent.name for path in paths.SALT.glob("*/init.sls"))
ARTIFACTS = {
    "mesos": {"file": "utopia-mesos_1.11.0-1_amd64.deb", "sha256": "ab" * 32, "version": "1.11.0-1"},
    "task-image": {"file": "task.tar", "sha256": "cd" * 32, "version": "1", "image": "utopia/task:1"},
    "marathon": {"file": "marathon-1.11.24-9ee9f3ceb.tgz", "sha256": "ef" * 32, "version": "1.11.24"},
    "bamboo": {"file": "bamboo-0.3.1-linux-amd64.tar.gz", "sha256": "01" * 32, "version": "0.3.1"},
    "service-wheels": {"file": "utopia-service-wheels_1.tar", "sha256": "23" * 32, "version": "1"},
    "elasticsearch-full": {"file": "elasticsearch-8.19.21.tar.gz", "sha256": "67" * 32, "version": "8.19.21"},
    "elasticsearch-small": {"file": "elasticsearch-8.19.21.zip", "sha256": "89" * 32, "version": "8.19.21"},
    "open-files": {"file": "utopia-open-files_1.so", "sha256": "0a" * 32, "version": "1"},
    "fluent-package": {"file": "fluent-package_6.0.1-1_amd64.deb", "sha256": "b1" * 32, "version": "6.0.1"},
    "fluent-plugin-concat": {"file": "fluent-plugin-concat-2.5.0.gem", "sha256": "c2" * 32, "version": "2.5.0"},
    "newrelic-key": {"file": "newrelic-infra.gpg", "sha256": "bc" * 32, "version": "1"},
    "services": {"file": "utopia-services_1.tar", "sha256": "45" * 32, "version": "1"},
}
TLS = {"certificate": "CERTIFICATE\n", "key": "secret-of-key\n"}

Rendered = dict[str, Any]
Render = Callable[[Path, Mapping[str, Any]], dict[str, Rendered]]


def minions_of(env: str) -> dict[str, dict[str, Any]]:
    """Every node of `env` with the pillar the master would give it; secrets are told by their names."""
    made = plan.make(config.load(env))
    minions = {}
    for node, own in made.node_pillar.items():
        secrets = {name: f"secret-of-{name}" for name in made.secrets[node]}
        pillar = json.loads(json.dumps({**made.pillar, **own, "secrets": secrets}))
        pillar["artifacts"]["files"] = ARTIFACTS
        pillar |= TLS if node in made.certificates else {}
        minions[f"{made.env}/{node}"] = {"pillar": pillar, "sls": _rolled(pillar["components"])}
    return minions


def _rolled(components: list[str]) -> list[str]:
    return [f"{name}.restart" for name in components if (paths.SALT / name / "restart.sls").exists()]


def _bake() -> dict[str, Any]:
    """What the image is baked with: the install steps and next to no pillar."""
    steps = [f"{name}.install" for name in COMPONENTS if (paths.SALT / name / "install.sls").exists()]
    pillar = {"settings": {}, "components": [], "artifacts": {"files": ARTIFACTS}}
    return {"pillar": pillar, "top": False, "sls": steps}


@pytest.fixture(scope="session")
def render() -> Render:
    """Run the renderer in the Salt venv: (salt folder, minions) -> answer per minion."""
    python = wheelhouse.ensure_venv(lambda _node, _message: None) / "bin" / "python3"

    def run(folder: Path, minions: Mapping[str, Any]) -> dict[str, Rendered]:
        order = json.dumps({"salt": str(folder), "minions": minions})
        command = [str(python), "-W", "ignore", str(RUNNER)]
        done = subprocess.run(command, check=False, input=order, text=True, capture_output=True, timeout=400)
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def rendered(render: Render, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rendered]:
    """The real tree: "<env>/<node>" -> answer, and "bake"."""
    minions: dict[str, Any] = {"bake": _bake()}
    folder = tmp_path_factory.mktemp("topologies")
    for env in [*ENVIRONMENTS, by_newrelic(folder), with_aggregators(folder)]:
        minions |= minions_of(env)
    return render(paths.SALT, minions)


@pytest.fixture(scope="session")
def minions() -> Callable[[str], dict[str, dict[str, Any]]]:
    """The pillar of every node of an environment."""
    return minions_of
