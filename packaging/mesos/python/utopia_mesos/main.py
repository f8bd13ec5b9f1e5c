"""Entry points of the executors."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .command import CommandTask
from .docker_client import DockerClient
from .docker_run import settings_of
from .docker_task import DockerTask
from .executor import Executor
from .settings import from_environment
from .survival import announce, pid_file
from .values import parse_duration


def parse_flags(arguments: Sequence[str]) -> dict[str, str]:
    """`--name=value`, `--name` (true) and `--no-name` (false), as the agent writes them."""
    flags: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument.removeprefix("--").partition("=")
        if equals:
            flags[name] = value
        elif name.startswith("no-"):
            flags[name.removeprefix("no-")] = "false"
        else:
            flags[name] = "true"
    return flags


def command_executor() -> None:
    """mesos-executor: one command task."""
    Executor(from_environment(os.environ), CommandTask).run()


def docker_executor() -> None:
    """mesos-docker-executor: one Docker task."""
    flags = parse_flags(sys.argv[1:])
    settings = from_environment(os.environ)
    run_settings = settings_of(flags)
    stop_timeout = parse_duration(flags.get("stop_timeout", "0ns"))
    docker = DockerClient(flags["docker"], flags.get("docker_socket", "/var/run/docker.sock"), run_settings.container)
    if settings.checkpoint:
        announce(settings.agent_host, pid_file(Path(run_settings.sandbox)))
    Executor(settings, lambda info: DockerTask(info, docker, run_settings, stop_timeout)).run()
