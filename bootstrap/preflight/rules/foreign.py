"""What belongs to somebody else: never taken over, never wiped, and never waived."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bootstrap.model import ADMIN_ROLE
from bootstrap.preflight.finding import Finding
from bootstrap.preflight.subject import Subject

_SALT = ("salt-minion", "salt-master")
# role -> processes that are that service, whoever started them
_SERVICES: Mapping[str, tuple[str, ...]] = {
    "zookeeper": ("zookeeper",),
    "mesos-master": ("mesos-master",),
    "mesos-agent": ("mesos-agent", "mesos-slave"),
    "elasticsearch": ("elasticsearch",),
    "docker": (),
}


def foreign_salt(subject: Subject) -> Iterator[Finding]:
    """A minion that obeys another master would undo what we do; a master may have minions of its own."""
    facts = subject.facts
    if facts.trusted_master and not subject.trusts_us:
        yield subject.error(
            "a Salt minion that trusts another master (/etc/salt/pki/minion/minion_master.pub)",
            "none, or one of this environment",
            "two masters would change the machine against each other",
            "take it out of the other master's care: stop and purge salt-minion there, remove /etc/salt/pki/minion",
        )
        return
    for name in _SALT:
        ours = subject.trusts_us and (name == "salt-minion" or ADMIN_ROLE in subject.node.roles)
        if ours:
            continue
        version = facts.packages.get(name)
        if version or name in facts.noteworthy:
            yield subject.error(
                f"{name} {version} is installed" if version else f"{name} runs",
                f"no {name} of somebody else's",
                "two masters would change the machine against each other",
                f"find out whose it is; then stop and purge {name} there, or take the node out of the topology",
            )


def foreign_data(subject: Subject) -> Iterator[Finding]:
    """Data in the folders of a role that we did not set up there."""
    for path, role in subject.needs.data.items():
        place = subject.facts.places.get(path)
        if role in subject.owned or place is None or not place.entries:
            continue
        shown = ", ".join(place.entries[:4]) + (", ..." if len(place.entries) > 4 else "")
        yield subject.error(
            f"data in {path} ({shown})",
            f"{path} empty or absent",
            f"it is not of this environment's {role}: it is neither taken over nor removed",
            "find out whose it is, move it away yourself, or set another folder for the role",
        )


def foreign_service(subject: Subject) -> Iterator[Finding]:
    """The same service, running already, whatever its ports and folders are."""
    for role in subject.node.roles:
        for name in _SERVICES.get(role, ()):
            if role not in subject.owned and name in subject.facts.noteworthy:
                yield subject.error(
                    f"{name} runs there already",
                    f"no {name} but this environment's",
                    "two of them on one machine fight for ports, folders and memory",
                    "find out whose it is, stop and disable it there, or give the role to another node",
                )
