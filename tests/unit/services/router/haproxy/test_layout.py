"""Changes of the layout: by steps where they are enough, by a reload where not, and always to what is wanted."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.router.haproxy import layout as steps
from services.router.haproxy.model import Acl, Backend, Listener, Maps, Server, Shape, Wanted

PLAIN = Shape()
SPARE = {"spare_backends": 2, "spare_slots": 8}


def server(name):
    return Server(name, "10.0.0.1", 30000 + int(name.rpartition(".")[2]))


def wanted(apps, acls=(), listeners=(), shape=PLAIN):
    """`{"a": 3}`: application /a with tasks a.0, a.1, a.2; a list names the tasks."""
    backends = {}
    for name, tasks in apps.items():
        numbers = range(tasks) if isinstance(tasks, int) else tasks
        servers = tuple(server(f"{name}.{number}") for number in numbers)
        backends[f"b-{name}"] = Backend(f"b-{name}", f"/{name}", shape, servers)
    hosts = {f"{name}.x": f"b-{name}" for name in apps}
    return Wanted(backends, Maps(hosts=hosts), tuple(acls), tuple(listeners))


def loaded(apps, **more):
    return steps.fresh(wanted(apps, **more), None, **SPARE)


def take(layout, want):
    """Take the steps; the reasons for a reload."""
    change = steps.change(layout, want)
    for step in change.steps:
        steps.apply(layout, step, now=0, drain_seconds=10)
    steps.note_maps(layout, want)
    return change.reload


def serving(layout):
    """Host -> tasks that serve it, as HAProxy would."""
    return {
        host: {slot.server.task for slot in layout.sections[section].slots if slot.state == "ready"}
        for host, section in layout.maps.hosts.items()
    }


def expected(want):
    return {host: {one.task for one in want.backends[name].servers} for host, name in want.maps.hosts.items()}


def test_nothing_changed_is_nothing_to_do():
    want = wanted({"a": 2, "b": 0})
    assert steps.change(steps.fresh(want, None, **SPARE), want).is_empty


def test_a_new_instance_takes_a_free_slot_before_an_old_one_leaves():
    layout = loaded({"a": [1, 2]})
    change = steps.change(layout, wanted({"a": [2, 3]}))
    assert change.steps == [
        steps.Fill("b-a", "s3", server("a.3")),
        steps.Drain("b-a", "s1", sticky=False),
    ]
    assert change.reload == []


def test_a_task_at_another_address_is_another_server():
    layout = loaded({"a": [1]})
    moved = wanted({"a": [1]})
    moved.backends["b-a"] = Backend("b-a", "/a", Shape(), (Server("a.1", "10.0.0.9", 1),))
    assert [type(step).__name__ for step in steps.change(layout, moved).steps] == ["Fill", "Drain"]


def test_a_task_that_comes_back_while_it_drains_is_revived():
    layout = loaded({"a": [1, 2]})
    take(layout, wanted({"a": [2]}))
    assert steps.change(layout, wanted({"a": [1, 2]})).steps == [steps.Revive("b-a", "s1")]


def test_a_new_application_claims_a_spare_section_and_is_entered_after_its_servers():
    layout = loaded({"a": 1})
    change = steps.change(layout, wanted({"a": 1, "n": 2}))
    assert [type(step).__name__ for step in change.steps] == ["Claim", "Fill", "Fill", "Put", "Put"]
    assert change.reload == []
    take(layout, wanted({"a": 1, "n": 2}))
    assert serving(layout) == {"a.x": {"a.0"}, "n.x": {"n.0", "n.1"}}
    folded = steps.fresh(wanted({"a": 1, "n": 2}), layout, **SPARE)
    assert "b-n" in folded.sections
    assert serving(folded) == serving(layout)


def test_an_application_that_left_and_comes_back_gets_its_section_again():
    layout = loaded({"a": 1, "b": 1})
    assert take(layout, wanted({"a": 1})) == []
    assert layout.maps.hosts == {"a.x": "b-a"}
    assert take(layout, wanted({"a": 1, "b": [5]})) == []
    assert serving(layout) == {"a.x": {"a.0"}, "b.x": {"b.5"}}


@pytest.mark.parametrize(
    ("want", "reason"),
    [
        (wanted({"a": 1, "n": 1, "m": 1, "o": 1}), "a section for /o"),
        (wanted({"a": 1, "n": 9}), "a section for /n"),
        (wanted({"a": 10}), "2 more slots for /a"),
        (wanted({"a": 1}, shape=Shape(sticky=True)), "other settings for /a"),
        (wanted({"a": 1}, acls=[Acl("r", "path /x", "b-a", "/a")]), "rules"),
        (wanted({"a": 1}, listeners=[Listener(7000, "tcp", "b-a", "/a")]), "ports"),
    ],
)
def test_what_only_a_reload_can_do(want, reason):
    assert steps.change(loaded({"a": 1}), want).reload == [reason]


def test_other_certificates_are_a_reload():
    assert steps.change(loaded({"a": 1}), wanted({"a": 1}), "other").reload == ["certificates"]


def test_a_reload_keeps_servers_in_their_slots_and_drops_what_drains():
    layout = loaded({"a": [1, 2, 3]})
    take(layout, wanted({"a": [2, 3, 4]}))
    new = steps.fresh(wanted({"a": [2, 3, 4]}), layout, **SPARE)
    assert [slot.server.task if slot.server else None for slot in new.sections["b-a"].slots[:4]] == [
        None,
        "a.2",
        "a.3",
        "a.4",
    ]
    assert all(slot.state != "draining" for slot in new.sections["b-a"].slots)


@pytest.mark.parametrize(
    ("servers", "before", "slots"),
    [(0, 0, 8), (1, 0, 8), (5, 0, 16), (100, 0, 200), (6, 8, 8), (7, 8, 16), (1, 16, 16), (1, 64, 8), (20, 40, 40)],
)
def test_slots(servers, before, slots):
    old = loaded({"a": 0})
    old.sections["b-a"].slots = old.sections["b-a"].slots[:0] + steps._slots(before) if before else []
    new = steps.fresh(wanted({"a": servers}), old if before else None, **SPARE)
    assert len(new.sections["b-a"].slots) == slots


APPS = st.dictionaries(st.sampled_from("abcd"), st.sets(st.integers(0, 12), max_size=9).map(sorted), max_size=4)


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.tuples(APPS, st.booleans()), min_size=1, max_size=8))
def test_any_sequence_of_changes_ends_at_what_is_wanted(sequence):
    """Drained slots are freed sometimes; a reload is made when it is asked for."""
    layout = steps.fresh(Wanted(), None, **SPARE)
    for apps, free in sequence:
        want = wanted(apps)
        if take(layout, want):
            layout = steps.fresh(want, layout, **SPARE)
        assert serving(layout) == expected(want)
        assert steps.change(copy.deepcopy(layout), want).is_empty
        servers = [slot.server for one in layout.sections.values() for slot in one.slots if slot.state == "ready"]
        assert len(servers) == len(set(servers))
        if free:
            for section in layout.sections.values():
                for slot in section.slots:
                    if slot.state == "draining":
                        slot.server, slot.state = None, "free"
