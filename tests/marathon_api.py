"""Marathon's API as tests use it: plain requests at any of the schedulers, and waiting for deployments."""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Sequence
from typing import Any

from waiting import eventually

Json = dict[str, Any]
IMAGE = "utopia/task:1"
# Serves a page that says which version and task it is, and a POST; ends at once on SIGTERM, as PID 1 must be told to.
_SERVER = """
mkdir -p /www/cgi-bin && echo "$VERSION $MESOS_TASK_ID" > /www/index.html
cat > /www/cgi-bin/echo <<'END'
#!/bin/sh
cat > /dev/null
printf 'Content-Type: text/plain\\r\\n\\r\\nposted'
END
chmod 755 /www/cgi-bin/echo
httpd -f -p 8080 -h /www & child=$!
trap 'kill $child; exit 0' TERM; wait $child
"""


class RefusedError(AssertionError):
    """An answer other than 2xx."""

    def __init__(self, method: str, path: str, status: int, body: str) -> None:
        super().__init__(f"{method} {path}: HTTP {status} {body[:2000]}")
        self.status, self.body = status, body


class MarathonApi:
    """`hosts`: addresses of the schedulers ("10.0.0.1:8080"); one that does not answer is passed over."""

    def __init__(self, hosts: Sequence[str], user: str, password: str) -> None:
        self.hosts = list(hosts)
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: object = None, *, host: str | None = None, timeout: float = 10) -> Any:
        """The JSON answer; raises RefusedError."""
        errors: list[str] = []
        for name in [host] if host else self.hosts:
            connection = http.client.HTTPConnection(name, timeout=timeout)
            try:
                connection.request(method, path, None if body is None else json.dumps(body), self._headers)
                response = connection.getresponse()
                text = response.read().decode()
            except (OSError, http.client.HTTPException) as error:
                errors.append(f"{name}: {error}")
                continue
            finally:
                connection.close()
            if response.status in (502, 503, 504) and not host:
                errors.append(f"{name}: HTTP {response.status} {text[:200]}")
                continue
            if not 200 <= response.status < 300:
                raise RefusedError(method, path, response.status, text)
            return json.loads(text) if text else None
        raise AssertionError(f"{method} {path}: no scheduler answered: {'; '.join(errors)}")

    def get(self, path: str) -> Any:
        """GET, at any scheduler."""
        return self.ask("GET", path)

    def leader(self) -> str:
        """host:port of the leading scheduler."""
        return str(self.get("/v2/leader")["leader"])

    def app(self, app_id: str) -> Json:
        """One application with its tasks."""
        return dict(self.get(f"/v2/apps{app_id}?embed=app.tasks")["app"])

    def running(self, app_id: str) -> set[str]:
        """Ids of the tasks that run."""
        return {str(task["id"]) for task in self.app(app_id)["tasks"] if task["state"] == "TASK_RUNNING"}

    def settled(self, within: float = 120) -> float:
        """Wait until no deployment is left; seconds it took."""
        began = time.monotonic()
        eventually(self._no_deployment, within, f"deployments did not end: {self._deployments()}")
        return time.monotonic() - began

    def create(self, app: Json, within: float = 120) -> Json:
        """Create and wait until all instances run and are healthy."""
        self.ask("POST", "/v2/apps", app)
        self.settled(within)
        return self.app(app["id"])

    def change(self, app_id: str, change: Json, within: float = 240) -> float:
        """PUT a part of an application, wait for the deployment; seconds it took."""
        self.ask("PUT", f"/v2/apps{app_id}", change)
        return self.settled(within)

    def remove(self, app_id: str) -> None:
        """Delete an application that may not be there, and wait."""
        try:
            self.ask("DELETE", f"/v2/apps{app_id}?force=true")
        except RefusedError as error:
            if error.status != 404:
                raise
        self.settled()

    def _no_deployment(self) -> bool:
        return not self._deployments()

    def _deployments(self) -> list[Json]:
        return list(self.get("/v2/deployments"))


def web_app(app_id: str, host: str, *, instances: int = 2, version: str = "one", **fields: Any) -> Json:
    """A small web server in Docker, reachable through the edge under `host`."""
    return {
        "id": app_id,
        "cmd": _SERVER,
        "cpus": 0.05,
        "mem": 32,
        "instances": instances,
        "env": {"VERSION": version},
        "labels": {"HAPROXY_GROUP": "external", "HAPROXY_0_VHOST": host},
        "container": {
            "type": "DOCKER",
            "docker": {"image": IMAGE},
            "portMappings": [{"containerPort": 8080, "hostPort": 0}],
        },
        "networks": [{"mode": "container/bridge"}],
        "healthChecks": [
            {
                "protocol": "MESOS_HTTP",
                "path": "/",
                "portIndex": 0,
                "gracePeriodSeconds": 20,
                "intervalSeconds": 1,
                "timeoutSeconds": 5,
                "maxConsecutiveFailures": 3,
                "delaySeconds": 0,
            }
        ],
        "backoffSeconds": 1,
        "taskKillGracePeriodSeconds": 5,
        **fields,
    }
