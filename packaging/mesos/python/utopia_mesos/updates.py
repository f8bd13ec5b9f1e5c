"""Status updates on their way to the agent: in order, again after a reconnect, kept until acknowledged."""

from __future__ import annotations

import base64
import threading
import time
import uuid
from collections.abc import Callable

from . import agent_api
from .agent_api import AgentApi, RefusedError
from .values import Json, log

RETRY_SECONDS = 0.5
BAD_REQUEST = 400


class Updates:
    """Thread-safe. A subscription carries all unacknowledged updates, the sender only what came later."""

    def __init__(self, api: AgentApi) -> None:
        self._api = api
        self._changed = threading.Condition()
        self._unacknowledged: dict[str, Json] = {}
        self._undelivered: list[str] = []
        self._connected = False
        self._task_known = False

    def start(self) -> None:
        """Start the sender."""
        threading.Thread(target=self._send_forever, name="updates", daemon=True).start()

    def put(self, executor_id: str, task_id: Json, state: str, details: Json) -> None:
        """Queue an update."""
        identity = base64.b64encode(uuid.uuid4().bytes).decode()
        status: Json = {
            "task_id": task_id,
            "state": state,
            "source": "SOURCE_EXECUTOR",
            "timestamp": time.time(),
            "executor_id": {"value": executor_id},
            "uuid": identity,
            **details,
        }
        with self._changed:
            self._unacknowledged[identity] = status
            self._undelivered.append(identity)
            self._changed.notify_all()

    def subscription(self, task: Json | None) -> Json:
        """What a SUBSCRIBE call has to carry."""
        with self._changed:
            tasks = [task] if task is not None and not self._task_known else []
            updates = [{"status": status} for status in self._unacknowledged.values()]
        return {"unacknowledged_tasks": tasks, "unacknowledged_updates": updates}

    def subscribed(self, carried: Json) -> None:
        """The agent took the subscription and with it the updates that `subscription` returned."""
        delivered = {update["status"]["uuid"] for update in carried["unacknowledged_updates"]}
        with self._changed:
            self._undelivered = [identity for identity in self._undelivered if identity not in delivered]
            self._connected = True
            self._changed.notify_all()

    def disconnected(self) -> None:
        """Hold updates back until the next subscription."""
        with self._changed:
            self._connected = False

    def acknowledged(self, identity: str) -> None:
        """The agent has an update safe."""
        with self._changed:
            self._task_known = True
            self._forget(identity)

    def wait_until_all_acknowledged(self, timeout: float | None) -> None:
        """At most `timeout` seconds; without one, the executor's own limits end a waiting that is in vain."""
        with self._changed:
            self._changed.wait_for(lambda: not self._unacknowledged, timeout)

    def _forget(self, identity: str) -> None:
        self._unacknowledged.pop(identity, None)
        if identity in self._undelivered:
            self._undelivered.remove(identity)
        self._changed.notify_all()

    def _send_forever(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._connected and self._undelivered)
                status = self._unacknowledged[self._undelivered[0]]
            self._send(status, self._delivered)

    def _delivered(self, identity: str) -> None:
        with self._changed:
            if identity in self._undelivered:
                self._undelivered.remove(identity)

    def _send(self, status: Json, delivered: Callable[[str], None]) -> None:
        try:
            self._api.call("UPDATE", {"status": status})
        except RefusedError as error:
            log(str(error))
            if error.status == BAD_REQUEST:  # would be refused for ever
                with self._changed:
                    self._forget(status["uuid"])
                return
        except agent_api.LOST as error:
            log(f"update {status['state']} could not be sent: {error}")
        else:
            delivered(status["uuid"])
            return
        with self._changed:  # an acknowledgement, a reconnect or some time: then again
            self._changed.wait(RETRY_SECONDS)
