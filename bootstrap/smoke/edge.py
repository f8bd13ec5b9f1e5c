"""The other side: an edge node, called by host name as browsers do, and the router's rules."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from bootstrap.errors import NotReadyError
from bootstrap.health.net import Login, words

POLL_SECONDS = 0.1
_HTTP_SECONDS = 5.0
_PAUSE_SECONDS = 0.02  # between two requests of one steady caller


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge node. `login`: None where the provider's API asks for none."""

    node: str
    address: str
    port: int
    api_port: int
    login: Login | None

    def call(self, host: str) -> tuple[int, str]:
        """GET / under a host name: status and body. Raises OSError, HTTPException."""
        return _ask(self.address, self.port, "GET", "/", {"Host": host})

    def await_status(self, host: str, wanted: int, seconds: float, *, text: str = "") -> None:
        """Until it answers so, with `text` in the body."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                status, body = self.call(host)
                said = f"status {status}: {body[:200]}"
                if status == wanted and text in body:
                    return
            except (OSError, http.client.HTTPException) as error:
                said = words(error)
            if time.monotonic() > deadline:
                raise NotReadyError(
                    f"{host} does not answer with status {wanted} at the edge within {seconds:g} s",
                    where=self.node,
                    lines=[said],
                    cause="the router does not see Marathon, or HAProxy refuses what it writes",
                    next_step=f"bootstrap status; bootstrap ssh {self.node} -- journalctl -n 50 -u haproxy",
                )
            time.sleep(POLL_SECONDS)

    def rules(self) -> Mapping[str, Any]:
        """Application -> rule of its route."""
        return dict(self._api("GET", "/api/services"))

    def save(self, rule: Mapping[str, Any]) -> None:
        """Create or replace."""
        self._api("POST", "/api/services", rule)

    def forget(self, app: str) -> None:
        """Where there is no rule, all is well."""
        if app in self.rules():
            self._api("DELETE", f"/api/services/{urllib.parse.quote(app.strip('/'))}")

    def _api(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Content-Type": "application/json"} | ({"Authorization": self.login.header} if self.login else {})
        try:
            status, text = _ask(self.address, self.api_port, method, path, headers, body=body)
        except (OSError, http.client.HTTPException) as error:
            status, text = 0, words(error)
        if status != http.HTTPStatus.OK:
            raise NotReadyError(
                f"the router refuses {method} {path}",
                where=f"{self.node}, port {self.api_port}",
                lines=[f"status {status}: {text[:500]}" if status else text],
                next_step="bootstrap status",
            )
        return json.loads(text)


class SteadyCallers:
    """A few callers that ask for a page all the time while something is done to it; every failure is counted."""

    def __init__(self, edge: Edge, host: str, callers: int = 3) -> None:
        self._edge, self._host = edge, host
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(callers)]
        self.answers = 0
        self.failures: Counter[str] = Counter()

    def __enter__(self) -> SteadyCallers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(2 * _HTTP_SECONDS)

    def await_more(self, answers: int, seconds: float) -> None:
        """Until there are that many more: what was just changed is called as well. Gives up quietly at the bound."""
        deadline, wanted = time.monotonic() + seconds, self.answers + answers
        while self.answers < wanted and time.monotonic() < deadline:
            time.sleep(_PAUSE_SECONDS)

    def _call(self) -> None:
        while not self._over.wait(_PAUSE_SECONDS):
            try:
                status, _ = self._edge.call(self._host)
                failure = "" if status == http.HTTPStatus.OK else f"status {status}"
            except (OSError, http.client.HTTPException) as error:
                failure = words(error)
            if failure:
                self.failures[failure] += 1
            self.answers += 1


def _ask(
    address: str, port: int, method: str, path: str, headers: Mapping[str, str], *, body: Any = None
) -> tuple[int, str]:
    connection = http.client.HTTPConnection(address, port, timeout=_HTTP_SECONDS)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()
