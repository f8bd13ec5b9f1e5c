"""The `docker run` line, case by case: docker_run_cases.yaml."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from utopia_mesos.docker_run import compose, settings_of
from utopia_mesos.task import TaskError

SANDBOX = "/w/slaves/S/frameworks/F/executors/E/runs/C"
DATA = yaml.safe_load((Path(__file__).parent / "docker_run_cases.yaml").read_text())


@pytest.mark.parametrize("case", DATA["cases"].values(), ids=DATA["cases"].keys())
def test_line(case: dict[str, Any]) -> None:
    assert case.keys() <= {"task", "flags", "line", "has", "has_not", "environment", "fails"}
    over = case.get("task", {})
    container = {**DATA["base"]["container"], **over.get("container", {})}
    task = {**DATA["base"], **over, "container": container}
    settings = settings_of({"container": "mesos-C", "sandbox_directory": SANDBOX, **case.get("flags", {})})
    if "fails" in case:
        with pytest.raises(TaskError) as failure:
            compose(task, settings)
        assert str(failure.value) == case["fails"]
        return
    run = compose(task, settings)
    if "line" in case:
        assert run.arguments == shlex.split(
            case["line"].replace("SANDBOX:", f"{SANDBOX}:").replace("SANDBOX/", f"{SANDBOX}/")
        )
    assert set(case.get("has", [])) <= set(run.arguments)
    assert not set(case.get("has_not", [])) & set(run.arguments)
    assert run.environment == case.get("environment", {})
