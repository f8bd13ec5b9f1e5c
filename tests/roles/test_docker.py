"""Role docker: the container engine of a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from node_facts import Facts, missing, not_running

from bootstrap.catalogue import Entry


def test_unit(facts: Facts) -> None:
    """The engine runs, now and after a boot"""
    wrong = not_running(facts, ["docker"])
    assert not wrong, "; ".join(wrong)


def test_packages(facts: Facts, component_settings: Callable[[str], dict[str, Any]]) -> None:
    """The packages of the engine are installed"""
    wrong = missing(facts, component_settings("docker")["packages"])
    assert not wrong, "; ".join(wrong)


def test_version(facts: Facts) -> None:
    """The running engine is of the installed version"""
    installed = facts.packages["docker.io"].partition("+")[0].partition("-")[0]
    assert facts.docker.get("ServerVersion", "").partition("+")[0] == installed


def test_configuration_in_force(facts: Facts, component_settings: Callable[[str], dict[str, Any]]) -> None:
    """The engine runs with our settings: its storage, its logs, tasks outlive its restart"""
    config = component_settings("docker")["config"]
    wanted = {
        "Driver": config["storage-driver"],
        "LoggingDriver": config["log-driver"],
        "LiveRestoreEnabled": config["live-restore"],
        "CgroupDriver": config["exec-opts"][0].partition("=")[2],
    }
    wrong = [
        f"{key} is {facts.docker.get(key)}, must be {value}"
        for key, value in wanted.items()
        if facts.docker.get(key) != value
    ]
    assert not wrong, "; ".join(wrong)


def test_image(facts: Facts, artifacts: dict[str, Entry]) -> None:
    """Holds the image of our tasks"""
    image = artifacts["task-image"].image
    assert image in facts.lines("images"), f"{image} is not loaded"


def test_container(container: Callable[[], Any]) -> None:
    """A container starts within limits, does its work and ends"""
    result = container()
    if result is None:  # a Docker task of Mesos was one: starting another costs a third of a second of CPU time
        return
    assert result.rc == 0, f"docker run ended with {result.rc}: {result.stderr.strip()[-300:]}"
    assert result.stdout.strip() == "hello"
