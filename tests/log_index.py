"""The log index as tests use it: one request to a member, and somebody who writes all the time."""

from __future__ import annotations

import http.client
import itertools
import json
import ssl
import threading
import time
from typing import Any

from bootstrap import paths
from bootstrap.health.net import Login
from bootstrap.model import Cluster
from bootstrap.secrets import Secrets

ROLE = "elasticsearch"


class LogIndex:
    """The members of an environment's cluster, over verified TLS."""

    def __init__(self, cluster: Cluster, seconds: float = 30) -> None:
        self.addresses = {node.name: str(node.address) for node in cluster.with_role(ROLE)}
        self._port = next(port.number for port in cluster.roles[ROLE].ports if port.name == "http")
        self._tls = ssl.create_default_context(cafile=str(paths.state_dir(cluster.env) / "ca" / "ca.crt"))
        self._secrets = Secrets(cluster.env)
        self._seconds = seconds

    def ask(
        self, method: str, path: str, body: Any = None, *, user: str = "operator", node: str = ""
    ) -> tuple[int, Any]:
        """(status, JSON) of one member, the first unless told. OSError when it does not answer."""
        address = self.addresses[node or next(iter(self.addresses))]
        connection = http.client.HTTPSConnection(address, self._port, timeout=self._seconds, context=self._tls)
        login = Login(user, self._secrets.value(f"elasticsearch-{user}"))
        headers = {"Authorization": login.header, "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(repr(error)) from error
        finally:
            connection.close()
        return answer.status, json.loads(text) if text else None

    def must(self, method: str, path: str, body: Any = None, **more: str) -> Any:
        """The JSON of a request that has to succeed."""
        status, answer = self.ask(method, path, body, **more)
        assert status < 300, f"{method} {path}: {status} {answer}"
        return answer

    def status(self) -> str:
        """Green, yellow or red; "" while the first member does not answer."""
        try:
            return str((self.ask("GET", "/_cluster/health")[1] or {}).get("status", ""))
        except OSError:
            return ""

    def ids(self) -> set[str]:
        """By what ids the members know the cluster they are in: one, if all is well."""
        path = "/_cluster/state/version?local=true"
        return {str(self.must("GET", path, node=node)["cluster_uuid"]) for node in self.addresses}

    def versions(self) -> set[str]:
        """The releases that the members run."""
        answer = self.must("GET", "/_nodes/_all/none?filter_path=nodes.*.version")
        return {str(node["version"]) for node in answer["nodes"].values()}


class Writer:
    """Writes a line after the other, as the shipper does: a line that is not acknowledged is sent again elsewhere."""

    def __init__(self, log: LogIndex, index: str) -> None:
        self._log, self._index = log, index
        self.acknowledged: list[str] = []
        self.longest = 0.0  # seconds that one line took
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        for number in itertools.count():
            started = time.monotonic()
            if not self._written(f"line-{number}"):
                return
            self.longest = max(self.longest, time.monotonic() - started)
            self.acknowledged.append(f"line-{number}")
            time.sleep(0.02)

    def _written(self, name: str) -> bool:
        for node in itertools.cycle(self._log.addresses):
            if self._stop.is_set():
                return False
            line = {"@timestamp": "2020-01-01T00:00:00Z", "message": name}
            try:
                status, _ = self._log.ask("PUT", f"/{self._index}/_create/{name}", line, user="shipper", node=node)
            except OSError:
                status = 0
            if status in (201, 409):
                return True
            time.sleep(0.1)
        return False

    def lost(self) -> list[str]:
        """Acknowledged lines that are not in the index."""
        self._log.must("POST", f"/{self._index}/_refresh")
        found: set[str] = set()
        for start in range(0, len(self.acknowledged), 5000):
            some = self.acknowledged[start : start + 5000]
            answer = self._log.must("POST", f"/{self._index}/_mget?_source=false", {"ids": some})
            found |= {doc["_id"] for doc in answer["docs"] if doc.get("found")}
        return [name for name in self.acknowledged if name not in found]
