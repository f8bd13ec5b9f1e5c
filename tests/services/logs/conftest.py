"""A shipper per test, on loopback, nothing left behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shipper_lab import Index, Shipper

from bootstrap import engine

PLUGIN = Path("/usr/lib/x86_64-linux-gnu/rsyslog/omelasticsearch.so")
BUFFER_MEGABYTES = 4


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    """rsyslog of Debian's packages, and its plugin, which no command stands for."""
    absent = {} if PLUGIN.exists() else {str(PLUGIN): "rsyslog-elasticsearch"}
    why = "the shipper of logs is tested with the real program"
    engine.install({"rsyslogd": "rsyslog", **absent}, lambda _node, _text: None, why=why)


@pytest.fixture
def index() -> Iterator[Index]:
    """Away until it is started."""
    made = Index()
    yield made
    made.stop()


@pytest.fixture
def shipper(tmp_path: Path, index: Index) -> Iterator[Shipper]:
    made = Shipper(tmp_path, index, BUFFER_MEGABYTES)
    yield made
    made.stop()
