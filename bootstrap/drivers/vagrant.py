"""Machines through Vagrant: containers (provider docker, the same as those of driver docker) or virtual machines."""

from __future__ import annotations

import os
from typing import Any

from bootstrap import paths, ssh_keys
from bootstrap.drivers import Created, docker, docker_network, env_option, vagrant_inputs, vagrant_provider
from bootstrap.drivers.docker_cli import docker as docker_command
from bootstrap.drivers.docker_machine import Action, container_name, create_arguments, decide
from bootstrap.drivers.vagrant_cli import Tool, ensure
from bootstrap.host_keys import KnownHosts
from bootstrap.model import Cluster, Machine
from bootstrap.process import Progress

_HOST_KEYS = "cat /etc/ssh/ssh_host_*_key.pub"


def get(cluster: Cluster) -> VagrantContainers | VagrantVirtualMachines:
    """The driver for the provider that is chosen."""
    return VagrantContainers(cluster) if vagrant_provider(cluster) == "docker" else VagrantVirtualMachines(cluster)


def inputs(cluster: Cluster, *, image: str = "") -> dict[str, Any]:
    """What the Vagrantfile reads; makes the environment's SSH key."""
    return vagrant_inputs.make(
        cluster,
        os.environ,
        key=ssh_keys.ensure(cluster.env),
        public_key=ssh_keys.public_line(cluster.env),
        image=image,
        cgroup_v2=docker.CGROUP_V2_MARK.exists(),
    )


def _tool(cluster: Cluster, document: dict[str, Any]) -> Tool:
    return Tool(cluster.env, env_option(cluster), document)


class VagrantContainers(docker.DockerDriver):
    """Provider docker: image, network, arguments and labels are driver docker's; Vagrant makes, starts and removes."""

    def create(self, progress: Progress) -> Created:
        """Vagrant is asked for only when a machine is missing or does not run."""
        known = self._created_if_well()
        if known:
            return known
        document = self.prepare(progress)
        changes = {node.name: int(action is not Action.KEEP) for node, action in self._actions()}
        if any(changes.values()):
            ensure(progress, "docker")
            _tool(self.cluster, document).up(progress)
        docker.await_booted(self.cluster)
        return Created(docker.for_each(self.cluster.nodes, self._machine), changes)

    def prepare(self, progress: Progress) -> dict[str, Any]:
        """Engine, image and network are there, and no container is in the way; the inputs."""
        from bootstrap import engine, image, preflight

        engine.ensure(progress)
        self._refuse_others(self._existing().values(), ssh_keys.public_line(self.env))
        preflight.require(self.cluster)
        reference = image.ensure(self.cluster, progress)
        docker_network.ensure(self.cluster, progress)
        existing = self._existing()
        for node, action in self._actions():
            if action is Action.REFUSE:
                raise docker.refusal(self.cluster, node, existing.get(node.name))
            if action in {Action.REMAKE, Action.BOOT}:  # what a killed `vagrant up` left, and Vagrant does not know
                docker.remove_container(container_name(self.env, node.name))
            elif action is Action.START and existing[node.name].state == "paused":
                docker_command("unpause", container_name(self.env, node.name), where=node.name)
        return inputs(self.cluster, image=reference)

    def destroy(self, node: str | None = None) -> tuple[str, ...]:
        """By our label, as driver docker does. Vagrant finds its machines gone, and needs no other word."""
        return docker.destroy(self.env, node)

    def _actions(self) -> list[tuple[Any, Action]]:
        existing = self._existing()
        v2 = docker.CGROUP_V2_MARK.exists()
        return [
            (
                node,
                decide(
                    existing.get(node.name),
                    self.env,
                    create_arguments(self.cluster, node, cgroup_v2=v2)[-1].rpartition("=")[2],
                    "",
                ),
            )
            for node in self.cluster.nodes
        ]


class VagrantVirtualMachines:
    """Providers libvirt and VirtualBox: Debian's box, reached as root with the environment's key."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.provider = vagrant_provider(cluster)

    def create(self, progress: Progress) -> Created:
        """Machines that run already are left alone."""
        document = self.prepare(progress)
        tool = _tool(self.cluster, document)
        before = tool.states()
        missing = {node.name for node in self.cluster.nodes if before.get(node.name) != "running"}
        if missing:
            tool.up(progress)
        made = {name for name in missing if before.get(name, "not_created") == "not_created"}
        machines = tuple(self._machine(tool, node.name, str(node.address), made) for node in self.cluster.nodes)
        return Created(machines, {node.name: int(node.name in missing) for node in self.cluster.nodes})

    def prepare(self, progress: Progress) -> dict[str, Any]:
        """Vagrant and its plugin are there; the inputs."""
        ensure(progress, self.provider)
        return inputs(self.cluster)

    def machines(self) -> tuple[Machine, ...]:
        """Those that run, as Vagrant says."""
        tool = _tool(self.cluster, inputs(self.cluster))
        states = tool.states()
        running = [node for node in self.cluster.nodes if states.get(node.name) == "running"]
        return tuple(self._machine(tool, node.name, str(node.address), set()) for node in running)

    def destroy(self, node: str | None = None) -> tuple[str, ...]:
        """What Vagrant made for this Vagrantfile's environment."""
        tool = _tool(self.cluster, inputs(self.cluster))
        names = [name for name, state in tool.states().items() if state != "not_created" and node in (None, name)]
        if names:
            tool.destroy(node)
        return tuple(sorted(names))

    def _machine(self, tool: Tool, name: str, address: str, made: set[str]) -> Machine:
        """Host keys of a new machine come through Vagrant's own connection, later ones from what was recorded then."""
        recorded = KnownHosts([paths.state_dir(self.cluster.env) / "ssh" / "known_hosts"]).keys((address,), 22)
        if recorded and name not in made:
            return Machine(name, address, 22, "root", recorded)
        lines = [line.split() for line in tool.ssh(name, _HOST_KEYS).splitlines()]
        return Machine(name, address, 22, "root", tuple(" ".join(fields[:2]) for fields in lines if len(fields) > 1))
