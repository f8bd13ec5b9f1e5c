"""Transactions: fenced, in order, of a size that servers take, and made again when a connection breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from kazoo.exceptions import ConnectionLoss, NodeExistsError, NoNodeError, RolledBackError, RuntimeInconsistency

from services.scheduler.storage.connection import Operation
from services.scheduler.storage.writer import MAX_BYTES, MAX_OPERATIONS, FencedError, StorageError, Writer

FENCE = "/leader/member"


class Tree:
    """ZooKeeper's transactions on a dictionary. `breaks`: what the next ones do: lose the answer, or the request."""

    def __init__(self, *breaks: str) -> None:
        self.nodes: dict[str, bytes] = {FENCE: b""}
        self.sizes: list[int] = []
        self._breaks = list(breaks)

    async def exists(self, path: str) -> bool:
        return path in self.nodes

    async def transact(self, operations: Sequence[Operation]) -> list[Any]:
        await asyncio.sleep(0)
        how = self._breaks.pop(0) if self._breaks else ""
        if how == "request lost":
            raise ConnectionLoss
        results = self._apply(operations)
        if how == "answer lost":
            raise ConnectionLoss
        return results

    def _apply(self, operations: Sequence[Operation]) -> list[Any]:
        nodes = dict(self.nodes)
        for index, (kind, path, data) in enumerate(operations):
            error = NodeExistsError() if kind == "create" and path in nodes else None
            error = NoNodeError() if kind != "create" and path not in nodes else error
            if error is not None:
                after = len(operations) - index - 1
                return [RolledBackError()] * index + [error] + [RuntimeInconsistency()] * after
            if kind in ("create", "set"):
                nodes[path] = data
            elif kind == "delete":
                del nodes[path]
        self.nodes = nodes
        self.sizes.append(sum(len(data) for _, _, data in operations))
        return [True] * len(operations)


def run(tree: Tree, body: Callable[[Writer], Awaitable[None]], fence: str | None = FENCE) -> None:
    async def whole() -> None:
        await body(Writer(tree, lambda: fence))  # type: ignore[arg-type]

    asyncio.run(whole())


@pytest.mark.parametrize(
    "breaks", [(), ("request lost",), ("answer lost",), ("answer lost", "request lost", "answer lost")]
)
def test_written_whatever_breaks(breaks: tuple[str, ...]) -> None:
    async def body(writer: Writer) -> None:
        await writer.write([("/a", b"1"), ("/b", b"1")])
        await writer.write([("/a", b"2"), ("/b", None), ("/never", None), ("/c", b"1"), ("/c", None)])

    tree = Tree(*breaks)
    run(tree, body)
    assert tree.nodes == {FENCE: b"", "/a": b"2"}


def test_it_does_not_try_for_ever() -> None:
    async def body(writer: Writer) -> None:
        with pytest.raises(StorageError, match="breaks again and again"):
            await writer.write([("/a", b"1")])

    run(Tree(*["request lost"] * 10), body)


def test_nodes_that_were_not_expected() -> None:
    async def body(writer: Writer) -> None:
        writer.know(["/gone"])
        await writer.write([("/there", b"new"), ("/gone", b"new")])

    tree = Tree()
    tree.nodes["/there"] = b"old"
    run(tree, body)
    assert (tree.nodes["/there"], tree.nodes["/gone"]) == (b"new", b"new")


def test_without_the_fence_nothing_is_written() -> None:
    async def body(writer: Writer) -> None:
        with pytest.raises(FencedError):
            await writer.write([("/a", b"1")])

    tree = Tree()
    run(tree, body, fence=None)
    del tree.nodes[FENCE]
    run(tree, body)
    assert tree.nodes == {}


def test_a_refusal_is_told() -> None:
    async def body(writer: Writer) -> None:
        with pytest.raises(StorageError, match="NotEmpty"):
            await writer.write([("/a", b"1")])

    class Refusing(Tree):
        async def transact(self, operations: Sequence[Operation]) -> list[Any]:
            from kazoo.exceptions import NotEmptyError

            return [RolledBackError(), NotEmptyError()]

    run(Refusing(), body)


def test_sizes() -> None:
    async def body(writer: Writer) -> None:
        await writer.write([(f"/{number}", b"x" * 1_000) for number in range(2_000)])
        await writer.write([(f"/{number}", None) for number in range(2_000)])

    tree = Tree()
    run(tree, body)
    assert tree.nodes == {FENCE: b""}
    assert max(tree.sizes) <= MAX_BYTES
    assert len(tree.sizes) >= 3 + 2_000 // MAX_OPERATIONS


def test_writes_keep_their_order() -> None:
    async def body(writer: Writer) -> None:
        await asyncio.gather(*(writer.write([("/a", str(number).encode())]) for number in range(20)))

    tree = Tree("answer lost")
    run(tree, body)
    assert tree.nodes["/a"] == b"19"
