"""The `vagrant` command through python-vagrant: installed where we may, its failures as ours. Its only importer."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import vagrant

from bootstrap import engine, paths
from bootstrap.errors import MachinesError
from bootstrap.process import Progress

PROGRAMS = {"vagrant": "vagrant"}
_LIBVIRT = Path("/usr/share/vagrant-plugins/plugins.d/vagrant-libvirt.json")  # of Debian's vagrant-libvirt
_TAIL = 15


def ensure(progress: Progress, provider: str) -> None:
    """Vagrant, and what the provider needs, from Debian; EngineError says what to do where we may not."""
    engine.install(PROGRAMS, progress, why="driver vagrant makes its machines with it")
    if provider == "libvirt" and not _LIBVIRT.exists() and not _has_plugin():
        engine.install({"": "vagrant-libvirt"}, progress, why="Vagrant's provider libvirt is a plugin")


def _has_plugin() -> bool:
    return any(plugin.name == "vagrant-libvirt" for plugin in vagrant.Vagrant(root=str(paths.CHECKOUT)).plugin_list())


class Tool:
    """Vagrant on one environment, with the inputs that its Vagrantfile is to read."""

    def __init__(self, env: str, spec: str, inputs: Mapping[str, Any]) -> None:
        folder = paths.state_dir(env)
        file = folder / "vagrant-inputs.json"
        file.write_text(json.dumps(inputs, indent=2) + "\n", encoding="utf-8")
        environment = {**os.environ, "UTOPIA_VAGRANT_INPUTS": str(file)}
        environment["VAGRANT_DEFAULT_PROVIDER"] = inputs["provider"]
        if spec != "vagrant":  # .vagrant in the checkout is that of the environment which people use
            environment["VAGRANT_DOTFILE_PATH"] = str(folder / "dot-vagrant")
        self._log = folder / "vagrant.log"
        self._vagrant = vagrant.Vagrant(root=str(paths.CHECKOUT), env=environment, err_cm=self._errors)

    def up(self, progress: Progress) -> None:
        """Every machine that does not run is made or started; each line becomes progress of its machine."""
        said: list[str] = []
        with self._told("up", said):
            for line in self._vagrant.up(stream_output=True):
                said.append(line.rstrip())
                node, found, text = line.partition(":")
                if found and node.startswith("==> "):
                    progress(node[4:].strip(), text.strip())

    def states(self) -> dict[str, str]:
        """Machine -> "running", "not_created" or another word of its provider."""
        with self._told("status"):
            return {status.name: status.state for status in self._vagrant.status()}

    def ssh(self, node: str, command: str) -> str:
        """What the command prints on the machine, reached the way that Vagrant reaches it."""
        with self._told("ssh"):
            return str(self._vagrant.ssh(vm_name=node, command=command))

    def destroy(self, node: str | None) -> None:
        """Machines that Vagrant knows, or that one."""
        with self._told("destroy"):
            self._vagrant.destroy(vm_name=node)

    @contextmanager
    def _errors(self) -> Iterator[Any]:
        with self._log.open("a", encoding="utf-8") as file:
            yield file

    @contextmanager
    def _told(self, action: str, said: list[str] | None = None) -> Iterator[None]:
        self._log.write_text("", encoding="utf-8")
        try:
            yield
        except subprocess.CalledProcessError as error:
            errors = self._log.read_text(encoding="utf-8").splitlines()
            raise MachinesError(
                f"vagrant {action} ended with status {error.returncode}",
                where=str(paths.CHECKOUT / "Vagrantfile"),
                lines=[line for line in (*(said or ())[-_TAIL:], *errors[-_TAIL:]) if line.strip()],
                next_step=f"look at the lines above; the whole of it is in {self._log}",
            ) from None
