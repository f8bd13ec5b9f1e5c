"""Values of the Mesos API."""

import math

import pytest
from utopia_mesos import values
from utopia_mesos.main import parse_flags
from utopia_mesos.settings import from_environment


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("15mins", 900),
        ("2.5secs", 2.5),
        ("0ns", 0),
        ("100ms", 0.1),
        ("1weeks", 604800),
        ("1e3us", 0.001),
        ("-1secs", -1),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert values.parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "secs", "5 secs", "5s", "5secs5secs", "fivesecs"])
def test_not_a_duration(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        values.parse_duration(text)


def test_resources_are_summed_over_reservations() -> None:
    resources = [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.5}},
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.25}, "reservations": [{}]},
        {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 2}, {"begin": 9, "end": 9}]}},
    ]
    assert values.scalar(resources, "cpus") == 0.75
    assert values.scalar(resources, "mem") == 0
    assert [port for part in values.ports(resources) for port in part] == [1, 2, 9]


@pytest.mark.parametrize(
    ("policy", "seconds"), [(None, None), ({}, None), ({"grace_period": {"nanoseconds": "2500000000"}}, 2.5)]
)
def test_grace_period(policy: dict[str, object] | None, seconds: float | None) -> None:
    assert values.grace_period(policy) == seconds


def test_limits() -> None:
    task = {"limits": {"mem": {"value": "Infinity"}, "cpus": {"value": 1.5}}}
    assert values.limit(task, "mem") == math.inf
    assert values.limit(task, "cpus") == 1.5
    assert values.limit(task, "disk") is None


def test_flags_as_the_agent_writes_them() -> None:
    assert parse_flags(["--a=1=2", "--quiet", "--no-help"]) == {"a": "1=2", "quiet": "true", "help": "false"}


def test_the_token_leaves_the_environment_and_is_not_shown() -> None:
    environment = {
        "MESOS_AGENT_ENDPOINT": "10.0.0.1:5051",
        "MESOS_FRAMEWORK_ID": "f",
        "MESOS_EXECUTOR_ID": "e",
        "MESOS_CHECKPOINT": "1",
        "MESOS_EXECUTOR_AUTHENTICATION_TOKEN": "very-secret",
    }
    settings = from_environment(environment)
    assert settings.token == "very-secret"
    assert "MESOS_EXECUTOR_AUTHENTICATION_TOKEN" not in environment
    assert "very-secret" not in repr(settings)
    assert (settings.agent_host, settings.agent_port, settings.checkpoint) == ("10.0.0.1", 5051, True)
    assert (settings.recovery_timeout, settings.shutdown_grace) == (900, 5)
