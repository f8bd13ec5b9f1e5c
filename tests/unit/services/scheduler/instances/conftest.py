"""Parts of a scheduler without Mesos and ZooKeeper."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from unit.services.scheduler.instances.recording import MemoryStore, RecordingMesos, Told, make_app, make_instance

from services.scheduler.definitions.app import App
from services.scheduler.instances.instance import Instance


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def mesos() -> RecordingMesos:
    return RecordingMesos()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def app() -> Callable[..., App]:
    return make_app


@pytest.fixture
def instance() -> Callable[..., Instance]:
    return make_instance
