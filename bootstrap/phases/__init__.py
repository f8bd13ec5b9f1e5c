"""The phases of a plan, one file each: `run(context, phase) -> PhaseResult`.

The `Context` is what they share. Its parts are made when first asked for, so that `--only` and
`--from` need nothing but what the earlier phases left on the machines.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from bootstrap.model import Cluster, Machine

if TYPE_CHECKING:
    from bootstrap.artifacts import Artifact
    from bootstrap.certificates import Authority
    from bootstrap.drivers import Driver
    from bootstrap.hosts import Hosts
    from bootstrap.plan import Plan
    from bootstrap.salt_api import SaltApi
    from bootstrap.secrets import Secrets
    from bootstrap.verify import Verdict, Verification


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """What a phase did: changes per node, and remarks for the operator."""

    changes: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Context:
    """The environment at work. `progress(phase, text, node=...)` tells what is going on."""

    def __init__(self, plan: Plan, progress: Callable[..., None], *, restart_anyway: Sequence[str] = ()) -> None:
        self.plan = plan
        self.restart_anyway = tuple(restart_anyway)  # services whose restart is not to be refused
        self.cluster: Cluster = plan.cluster
        self.progress = progress
        self._lock = threading.RLock()
        self._machines: tuple[Machine, ...] | None = None
        self._hosts: Hosts | None = None
        self._salt: SaltApi | None = None
        self._artifacts: Mapping[str, Artifact] | None = None
        self.served = ""  # stands for all that the master serves, once phase salt has seen to that
        self._settled: bool | None = False  # None: worth finding out
        self._unsealed: tuple[str, ...] = ()
        self.will_verify = False  # phase verify is to come in this run
        self._verification: Verification | None = None

    def teller(self, phase: str) -> Callable[[str, str], None]:
        """`progress(node or "", message)` for one phase: what libraries are handed."""
        return lambda node, text: self.progress(phase, text, node=node)

    @property
    def driver(self) -> Driver:
        """How this environment's machines come to exist."""
        from bootstrap import drivers

        return drivers.get(self.cluster)

    @property
    def secrets(self) -> Secrets:
        """The environment's secrets, made once."""
        from bootstrap.secrets import Secrets

        return Secrets(self.cluster.env)

    @property
    def authority(self) -> Authority:
        """The environment's CA."""
        from bootstrap.certificates import Authority

        return Authority(self.cluster.env)

    @property
    def artifacts(self) -> Mapping[str, Artifact]:
        """Everything the nodes are given, present and checked."""
        with self._lock:
            if self._artifacts is None:
                from bootstrap import artifacts

                self._artifacts = artifacts.ensure(self.plan.artifacts, self.teller("artifacts"), self.cluster.versions)
            return self._artifacts

    @property
    def machines(self) -> tuple[Machine, ...]:
        """How the nodes are reached."""
        with self._lock:
            if self._machines is None:
                self._machines = self.driver.machines()
            return self._machines

    @machines.setter
    def machines(self, machines: tuple[Machine, ...]) -> None:
        with self._lock:
            self._machines, self._hosts = machines, None

    @property
    def hosts(self) -> Hosts:
        """SSH to the nodes."""
        with self._lock:
            if self._hosts is None:
                from bootstrap.hosts import Hosts

                self._hosts = Hosts(self.cluster.env, self.machines)
            return self._hosts

    @property
    def salt(self) -> SaltApi:
        """The Salt master's API (logs in when first used)."""
        with self._lock:
            if self._salt is None:
                from bootstrap import salt_api

                self._salt = salt_api.connect(self.cluster, self.secrets, self.authority)
            return self._salt

    def minions_were_right(self, unsealed: Sequence[str]) -> None:
        """Phase salt found every minion as it should be: then the rest may be so as well.

        `unsealed`: the nodes of which a dry run has to say it.
        """
        self._settled, self._unsealed = None, tuple(unsealed)

    @cached_property
    def state_sums(self) -> Mapping[str, str]:
        """The checksums of all files that the master serves to states."""
        from bootstrap import paths, salt_files

        return salt_files.state_sums(paths.SALT)

    @property
    def settled(self) -> bool:
        """Whether all roles' states hold on all nodes: then their phases have nothing to do.

        The checks of phase `verify` begin at the same time, where it is to come: on nodes that change no more
        they say the same now as then.
        """
        with self._lock:
            if self._settled is None:
                from bootstrap.settled import settled

                self._begin_checks()
                self._settled = False  # also when this fails
                self._settled = settled(self._unsealed, self.salt, self.served)
                if not self._settled:
                    self._abandon()
            return self._settled

    def machines_were_there(self) -> None:
        """Phase machines found all of them: where the last run was verified, and made from the same files, so may this.

        Its checks begin while that is being found out.
        """
        from bootstrap import verified

        with self._lock:
            if verified.is_as_now(self.cluster):
                self._begin_checks()

    @property
    def verifying(self) -> bool:
        """Whether the checks of phase `verify` have begun, on nodes that need nothing so far."""
        return self._verification is not None

    def changed(self) -> None:
        """A phase changed something: what the checks that were begun saw is no longer so."""
        with self._lock:
            self._abandon()

    def verdict(self, progress: Callable[[str, str], None]) -> Verdict:
        """What the checks of all roles on all nodes say of the nodes as they are now."""
        from bootstrap.verify import Verification

        with self._lock:
            begun, self._verification = self._verification, None
        return (begun or Verification(self.cluster)).verdict(progress)

    def close(self) -> None:
        """Ends what was begun and the connections that were opened."""
        with self._lock:
            self._abandon()
            if self._salt is not None:
                self._salt.close()
            if self._hosts is not None:
                self._hosts.close()

    def interrupt(self) -> None:
        """The run ends here and now: nothing is waited for, no lock either."""
        if self._verification is not None:
            self._verification.terminate()

    def _begin_checks(self) -> None:
        if self.will_verify and self._verification is None:
            from bootstrap.verify import Verification

            self._verification = Verification(self.cluster)

    def _abandon(self) -> None:
        if self._verification is not None:
            self._verification.abandon()
            self._verification = None
