"""The last failure of each application."""

from __future__ import annotations

import asyncio

from unit.services.scheduler.instances.recording import MemoryStore, make_instance

from services.scheduler.instances.failures import Failures


def test_the_last_one_counts_and_is_stored() -> None:
    async def run() -> None:
        store = MemoryStore()
        failures = Failures(store, {"/old": {"message": "before"}})
        seen: list[str] = []
        failures.listen(seen.append)
        failures.record(make_instance(), "TASK_FAILED", "first")
        failures.record(make_instance(), "TASK_ERROR", "second")
        await failures.flush()
        assert {app_id: failure["message"] for app_id, failure in store.failures.items()} == {"/web": "second"}
        assert seen == ["/web", "/web"]
        failures.record(make_instance("/gone"), "TASK_FAILED", "")
        failures.keep_only({"/web"})
        await failures.flush()
        assert failures.of("/old") is None
        assert failures.of("/web") == store.failures["/web"]
        assert "/gone" not in store.failures

    asyncio.run(run())
