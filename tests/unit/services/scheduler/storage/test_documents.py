"""What nodes hold comes back as it was, however large."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.instances.instance import Condition, Instance
from services.scheduler.storage import documents
from services.scheduler.storage.writer import StorageError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_any_document(document: Any) -> None:
    assert documents.unpack(documents.pack(document)) == document


@pytest.mark.parametrize(("size", "parts"), [(10, 0), (1_000, 0), (200_000, 4)])
def test_parts(size: int, parts: int) -> None:
    document = {"text": random.Random(1).randbytes(size).hex()}
    data, more = documents.split(document, "/parts", 60_000)
    assert len(more) == parts
    assert all(len(each) <= 60_000 for each in [data, *more.values()])
    assert [f"/parts/{name}" for name in documents.part_names(data)] == list(more)
    assert documents.unpack(b"".join(more.values()) if more else data) == document


def test_short_documents_can_be_read_by_people() -> None:
    assert documents.pack({"current": None}) == b'{"current":null}'


@pytest.mark.parametrize("data", [b"", b"{", b"xyz"])
def test_what_is_no_document(data: bytes) -> None:
    with pytest.raises(StorageError):
        documents.unpack(data)


def _instance() -> Instance:
    return Instance(
        id="a.instance-1",
        app_id="/a",
        version="v",
        role="*",
        agent_id="S",
        hostname="h",
        attributes={"rack": "1"},
        region=None,
        zone="z",
        host_ports=(1, 2),
        staged_at="t",
        condition=Condition.UNREACHABLE,
        healthy=False,
        ip_addresses=("10.0.0.1",),
    )


def test_an_instance() -> None:
    stored = documents.unpack(documents.pack(documents.from_instance(_instance())))
    assert documents.to_instance(stored) == _instance()
    assert documents.to_instance({**stored, "of a later release": 1}) == _instance()


@pytest.mark.parametrize("wrong", [{"condition": "Odd"}, {"id": None, "condition": None}, {}])
def test_no_instance(wrong: dict[str, Any]) -> None:
    with pytest.raises(StorageError):
        documents.to_instance(wrong)
