"""The agent's HTTP API for executors (v1, JSON)."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import BinaryIO

from .settings import Settings
from .values import Json

PATH = "/api/v1/executor"
ACCEPTED = 202
CONNECT_SECONDS = 10.0
# What a lost or refusing agent raises; the caller tries again.
LOST = (OSError, http.client.HTTPException)


class RefusedError(Exception):
    """The agent answered, but not with success."""

    def __init__(self, call: str, status: int, body: bytes) -> None:
        super().__init__(f"{call} refused: {status} {body[:200].decode('utf-8', 'replace')}")
        self.status = status


class AgentApi:
    """Calls to the agent in the name of one executor."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if settings.token:
            self._headers["Authorization"] = f"Bearer {settings.token}"

    def call(self, kind: str, content: Json) -> None:
        """One call without an answer; RefusedError or one of LOST if it was not accepted."""
        connection, response = self._post(kind, content)
        try:
            body = response.read()
        finally:
            connection.close()
        if response.status != ACCEPTED:
            raise RefusedError(kind, response.status, body)

    def subscribe(self, content: Json) -> Iterator[Json]:
        """The event stream, until the agent closes it (ends) or gets lost (raises one of LOST)."""
        connection, response = self._post("SUBSCRIBE", content)
        try:
            if response.status != http.HTTPStatus.OK:
                raise RefusedError("SUBSCRIBE", response.status, response.read())
            # Now silence is normal: a dead agent closes the connection, and they share the machine.
            if connection.sock is not None:
                connection.sock.settimeout(None)
            for record in read_records(response):
                yield json.loads(record)
        finally:
            connection.close()

    def _post(self, kind: str, content: Json) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        settings = self._settings
        message = {
            "type": kind,
            "framework_id": {"value": settings.framework_id},
            "executor_id": {"value": settings.executor_id},
            kind.lower(): content,
        }
        connection = http.client.HTTPConnection(settings.agent_host, settings.agent_port, timeout=CONNECT_SECONDS)
        try:
            connection.request("POST", PATH, json.dumps(message), self._headers)
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            raise


def read_records(stream: BinaryIO | http.client.HTTPResponse) -> Iterator[bytes]:
    """RecordIO: each record is its length in decimal, a newline, and so many bytes."""
    while line := stream.readline():
        length = int(line)
        record = b""
        while len(record) < length:
            part = stream.read(length - len(record))
            if not part:
                raise ConnectionError("the event stream ended within a record")
            record += part
        yield record
