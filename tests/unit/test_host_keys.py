"""Which host keys are believed: given, known, confirmed, and everything else refused."""

import pytest

from bootstrap import host_keys, known_hosts
from bootstrap.errors import HostKeyError, UnreachableError
from bootstrap.host_keys import KnownHosts, Vouched
from bootstrap.model import Machine

GOOD, OTHER = "ssh-ed25519 R09PRA==", "ssh-ed25519 T1RIRVI="
PRINT = known_hosts.fingerprint(GOOD).split()[1]
JUMP = Machine("jump.192.0.2.1", "192.0.2.1", 22, "ops", ())
ADMIN = Machine("admin-1", "10.0.0.10", 22, "ops", (), through=JUMP)
AGENT = Machine("agent-1", "10.0.0.11", 22, "ops", ())


def silent(_node, _text):
    pass


def refused(_text, _question):
    return False


def never(machine):
    raise AssertionError(f"{machine.node} was asked")


@pytest.fixture
def vouched(tmp_path):
    def make(given=None, lines=""):
        file = tmp_path / "known_hosts"
        file.write_text(lines)
        return Vouched(given or {}, KnownHosts([file]), "prod.example")

    return make


def settle(machines, vouched, offer=never, confirm=refused):
    return host_keys.settle(machines, vouched, offer=offer, confirm=confirm, progress=silent)


def test_known_keys_are_used_without_asking_anybody(vouched):
    (agent,) = settle([AGENT], vouched(lines=f"10.0.0.11 {GOOD}\n"))
    assert agent.host_keys == (GOOD,)


def test_a_whole_key_in_the_topology_needs_no_question_either(vouched):
    (agent,) = settle([AGENT], vouched({"agent-1": (f"{GOOD} comment",)}))
    assert agent.host_keys == (GOOD,)


def test_a_fingerprint_is_compared_with_what_the_host_shows(vouched):
    (agent,) = settle([AGENT], vouched({"agent-1": (PRINT,)}), offer=lambda _machine: (OTHER, GOOD))
    assert agent.host_keys == (GOOD,)


def test_the_topology_outweighs_known_hosts(vouched):
    (agent,) = settle([AGENT], vouched({"agent-1": (PRINT,)}, f"10.0.0.11 {OTHER}\n"), offer=lambda _machine: (GOOD,))
    assert agent.host_keys == (GOOD,)


def test_another_key_than_the_topologys_is_refused_even_if_a_person_would_say_yes(vouched):
    with pytest.raises(HostKeyError) as caught:
        settle(
            [AGENT],
            vouched({"agent-1": (PRINT,)}),
            offer=lambda _machine: (OTHER,),
            confirm=lambda _text, _question: pytest.fail("must not be asked"),
        )
    error = caught.value
    assert error.lines == (
        f"agent-1: the topology says {PRINT}",
        f"agent-1: the host shows {known_hosts.fingerprint(OTHER)}",
    )
    assert "driver.hosts.agent-1.host_key" in error.next_step


def test_a_person_sees_every_fingerprint_and_is_asked_once(vouched):
    asked = []

    def confirm(text, question):
        asked.append(text + question)
        return True

    others = [Machine(f"agent-{n}", f"10.0.0.{n}", 22, "ops", ()) for n in range(2, 5)]
    found = settle([AGENT, *others], vouched(), offer=lambda _machine: (GOOD,), confirm=confirm)
    assert {machine.host_keys for machine in found} == {(GOOD,)}
    (text,) = asked
    assert text.count(PRINT) == 4
    assert "agent-3 (10.0.0.3:22)" in text


def test_without_a_person_an_unknown_host_is_refused_with_its_fingerprint(vouched):
    with pytest.raises(HostKeyError, match="the host keys of 1 hosts are not known") as caught:
        settle([AGENT], vouched(), offer=lambda _machine: (GOOD,))
    assert caught.value.lines == (f"agent-1 (10.0.0.11:22) {known_hosts.fingerprint(GOOD)}",)
    assert "driver.hosts.agent-1.host_key: SHA256:" in caught.value.next_step


def test_a_jump_host_is_settled_before_the_machines_behind_it(vouched):
    order = []

    def offer(machine):
        order.append(machine.node)
        assert machine.through is None or machine.through.host_keys == (GOOD,)
        return (GOOD,)

    (admin,) = settle([ADMIN], vouched(), offer=offer, confirm=lambda *_words: True)
    assert order == ["jump.192.0.2.1", "admin-1"]
    assert admin.through.host_keys == admin.host_keys == (GOOD,)


def test_an_unknown_jump_host_stops_everything_behind_it(vouched):
    with pytest.raises(HostKeyError) as caught:
        settle([ADMIN], vouched({"admin-1": (PRINT,)}), offer=lambda _machine: (GOOD,))
    assert caught.value.where == "jump.192.0.2.1"
    assert "driver.jump: host_key" in caught.value.next_step


def test_hosts_that_do_not_answer_are_told_together(vouched):
    def offer(machine):
        raise UnreachableError(f"{machine.node} does not answer", where=machine.address, lines=["timed out"])

    with pytest.raises(UnreachableError, match="2 hosts do not show a host key") as caught:
        settle([AGENT, Machine("agent-2", "10.0.0.12", 22, "ops", ())], vouched(), offer=offer)
    assert caught.value.lines == ("10.0.0.11: timed out", "10.0.0.12: timed out")


def test_a_revoked_key_is_not_known(vouched):
    known = vouched(lines=f"10.0.0.11 {GOOD}\n@revoked * {GOOD}\n")
    with pytest.raises(HostKeyError):
        settle([AGENT], known, offer=lambda _machine: (GOOD,))
