"""The index of logs as the controlling side asks it: read only, over verified TLS, any member that answers."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bootstrap import paths
from bootstrap.health.net import SECONDS, Login, UnansweredError, get
from bootstrap.model import Cluster

ROLE, MEMBERS = "logs", "elasticsearch"
SECRET = "elasticsearch-operator"  # noqa: S105 - its name
INDICES = "applogs-*"


@dataclass(frozen=True, slots=True)
class LogIndex:
    """`addresses`: of all members."""

    addresses: Sequence[str]
    port: int
    login: Login
    ca: Path

    def search(self, query: Mapping[str, Any], *, seconds: float = SECONDS) -> dict[str, Any]:
        """The answer to a search; one of no hits while there is no index. Raises UnansweredError."""
        body = urllib.parse.urlencode({"source": json.dumps(query), "source_content_type": "application/json"})
        path = f"/{INDICES}/_search?ignore_unavailable=true&allow_partial_search_results=true&{body}"
        why = UnansweredError("it has no member")
        for address in self.addresses:
            try:
                answer = get(address, self.port, path, login=self.login, ca=self.ca, seconds=seconds)
            except UnansweredError as error:
                why = UnansweredError(f"{address} {error}")
                continue
            if answer.status == 200:
                return dict(answer.json())
            why = UnansweredError(f"{address} answers {answer.status}: {answer.body[:200].decode(errors='replace')}")
        raise why


def of(cluster: Cluster, login: Login) -> LogIndex:
    """The index of an environment."""
    port = next(port.number for port in cluster.roles[MEMBERS].ports if port.name == "http")
    addresses = [str(node.address) for node in cluster.with_role(MEMBERS)]
    return LogIndex(addresses, port, login, paths.state_dir(cluster.env) / "ca" / "ca.crt")
