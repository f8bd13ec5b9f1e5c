"""Marathon's API as far as the proof needs it: at any of its instances, waiting with a bound, failing with reasons."""

from __future__ import annotations

import http.client
import json
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bootstrap.errors import NotReadyError
from bootstrap.health.net import Login, words

POLL_SECONDS = 0.2
_HTTP_SECONDS = 10.0
_AWAY = (502, 503, 504)  # an instance that has no leader to pass the request on to


@dataclass(frozen=True, slots=True)
class Marathon:
    """`endpoints`: http://host:port of every instance."""

    endpoints: Sequence[str]
    login: Login

    def ask(self, method: str, path: str, body: Any = None, *, missing: Any = None) -> Any:
        """The JSON answer; `missing` where there is no such thing. Raises NotReadyError."""
        said = []
        for endpoint in self.endpoints:
            try:
                status, text = self._ask(endpoint, method, path, body)
            except (OSError, http.client.HTTPException) as error:
                said.append(f"{endpoint}: {words(error)}")
                continue
            if status in _AWAY:
                said.append(f"{endpoint}: status {status}: {text[:200]}")
                continue
            if status == http.HTTPStatus.NOT_FOUND:
                return missing
            if not 200 <= status < 300:
                raise NotReadyError(
                    f"Marathon refuses {method} {path} with status {status}",
                    where=endpoint,
                    lines=[text[:1000]],
                    next_step="bootstrap status; then run the same command again",
                )
            return json.loads(text or "null")
        raise NotReadyError(
            "no Marathon answers",
            where=f"{method} {path}",
            lines=said,
            cause="none of its instances runs, or none leads",
            next_step="bootstrap status",
        )

    def app(self, app: str) -> dict[str, Any] | None:
        """The application with its counts, None if there is none."""
        answer = self.ask("GET", f"/v2/apps{app}?embed=app.counts&embed=app.lastTaskFailure")
        return None if answer is None else dict(answer["app"])

    def put(self, definition: Mapping[str, Any]) -> None:
        """Create or replace, over whatever deployment is under way."""
        self.ask("PUT", f"/v2/apps{definition['id']}?force=true&partialUpdate=false", definition)

    def scale(self, app: str, instances: int) -> None:
        """Nothing but the number."""
        self.ask("PUT", f"/v2/apps{app}?force=true", {"instances": instances})

    def remove(self, app: str) -> None:
        """Where it is gone already, all is well."""
        self.ask("DELETE", f"/v2/apps{app}?force=true")

    def await_healthy(self, app: str, instances: int, seconds: float) -> None:
        """Until no deployment of it is left and that many instances, no more, are healthy."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.app(app)
            if found is not None and healthy(found) == instances and not found.get("deployments"):
                return
            if time.monotonic() > deadline:
                raise self._late(app, instances, seconds, found)
            time.sleep(POLL_SECONDS)

    def await_gone(self, app: str, seconds: float) -> None:
        """Until it is not there any more, nor a deployment of it."""
        deadline = time.monotonic() + seconds
        while self.app(app) is not None or any(
            app in each["affectedApps"] for each in self.ask("GET", "/v2/deployments")
        ):
            if time.monotonic() > deadline:
                raise NotReadyError(
                    f"{app} was not removed within {seconds:g} s",
                    where="Marathon",
                    cause="its tasks do not end, or its agents do not answer",
                    next_step="bootstrap status",
                )
            time.sleep(POLL_SECONDS)

    def _late(self, app: str, instances: int, seconds: float, found: Mapping[str, Any] | None) -> NotReadyError:
        lines = []
        if found is not None:
            counts = ", ".join(f"{name[5:].lower()} {found.get(name, 0)}" for name in _COUNTS)
            lines.append(f"instances {found['instances']}: {counts}; deployments {len(found.get('deployments', []))}")
            failure = found.get("lastTaskFailure")
            lines += [f"last failure on {failure.get('host')}: {failure.get('message')}"] if failure else []
            lines += self._refused(app)
        return NotReadyError(
            f"{app} had not {instances} healthy instances within {seconds:g} s",
            where="Marathon",
            lines=lines,
            cause="no agent offers what it needs, its container does not start, or its check fails",
            next_step="bootstrap status; the sandbox of a task is below /var/lib/mesos/agent/slaves on its agent",
        )

    def _refused(self, app: str) -> list[str]:
        """Why offers were not taken, in Marathon's own words."""
        queue = self.ask("GET", "/v2/queue", missing={}).get("queue", [])
        return [
            f"offers refused: {reason['reason']} ({reason['declined']} of {reason['processed']})"
            for item in queue
            if item.get("app", {}).get("id") == app
            for reason in item.get("processedOffersSummary", {}).get("rejectSummaryLastOffers", [])
            if reason.get("declined")
        ]

    def _ask(self, endpoint: str, method: str, path: str, body: Any) -> tuple[int, str]:
        url = urllib.parse.urlsplit(endpoint)
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=_HTTP_SECONDS)
        headers = {"Authorization": self.login.header, "Accept": "application/json", "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


_COUNTS = ("tasksStaged", "tasksRunning", "tasksHealthy", "tasksUnhealthy")


def healthy(app: Mapping[str, Any]) -> int:
    """Instances that passed their checks, none when there are more that did not."""
    return 0 if app.get("tasksRunning") != app.get("tasksHealthy") else int(app.get("tasksHealthy", 0))
