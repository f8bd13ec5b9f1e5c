"""Jobs on Salt minions through salt-api. The only importer of pepper.

Every call has a deadline, every return is walked, and an expected minion that did not answer is an
error that names it. The token lives in memory only.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError

from bootstrap.errors import SaltError
from bootstrap.salt_events import Mailbox
from bootstrap.salt_returns import FailedState, NodeReturn, walk

# Importing pepper turns certificate checks off for the whole process (salt/pepper#219): put them back at once.
_verified_context = ssl._create_default_https_context
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it uses pkg_resources, which says at every start that it is old
    import pepper

ssl._create_default_https_context = _verified_context

if TYPE_CHECKING:
    from bootstrap.certificates import Authority
    from bootstrap.model import Cluster
    from bootstrap.secrets import Secrets

__all__ = ["Answers", "FailedState", "MinionsSilentError", "NodeReturn", "SaltApi", "connect"]

USER = "bootstrap"
_HTTP_SECONDS = 60.0  # one request: submitting a job, looking one up. On a crowded host 20 s were met
_STREAM_SECONDS = 60.0  # the event stream is opened anew after that much silence
_QUIET_SECONDS = 5.0  # without news for so long, the nodes that are awaited are asked whether they still work
_CHECK_SECONDS = 4.0  # how long a node may take to say so; the next time twice as long, for it may only be slow
_CHECKS = 3  # without any node at work, one after the other, before those that are awaited are called silent

OnReturn = Callable[[str, NodeReturn], None]


@dataclass(frozen=True, slots=True)
class Answers:
    """What minions answered: values, refusals (node -> text) and the nodes that did not answer at all."""

    values: Mapping[str, Any] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    silent: tuple[str, ...] = ()


class MinionsSilentError(SaltError):
    """Expected minions did not return. `nodes` names them; `returns` holds what the others returned."""

    def __init__(self, what: str, nodes: Sequence[str], returns: Mapping[str, Any], **details: Any) -> None:
        super().__init__(what, **details)
        self.nodes = tuple(nodes)
        self.returns = returns


class _Client(pepper.Pepper):  # type: ignore[misc]
    """pepper's calls over a transport of ours: the environment's CA and no other, a deadline, no proxy."""

    def __init__(self, url: str, ca: Path) -> None:
        super().__init__(url)
        self._opener = urllib.request.OpenerDirector()
        context = ssl.create_default_context(cafile=str(ca))
        for handler in (
            urllib.request.HTTPSHandler(context=context),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.UnknownHandler(),
        ):
            self._opener.add_handler(handler)

    def req(self, path: str, data: Any = None) -> Any:
        """Replaces pepper's: that one has no timeout and knows only the system's authorities."""
        with self.open(path, data, _HTTP_SECONDS) as answer:
            return json.loads(answer.read())

    def open(self, path: str, data: Any, seconds: float) -> http.client.HTTPResponse:
        """One request; `seconds` is the longest silence of the socket."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self.auth.get("token"):
            headers["X-Auth-Token"] = self.auth["token"]
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(self._construct_url(path), body, headers)  # noqa: S310 - https only
        answer: http.client.HTTPResponse = self._opener.open(request, timeout=seconds)
        return answer


class SaltApi:
    """The API of one Salt master. Logs in when first used; may be used by several threads."""

    def __init__(self, url: str, ca: Path, user: str, password: str) -> None:
        self.url = url
        self._ca = ca
        self._user = user
        self._password = password
        self._lock = threading.Lock()
        self._client: _Client | None = None
        self._mailbox = Mailbox(self._events)

    def __repr__(self) -> str:
        return f"SaltApi({self.url})"

    def apply(
        self,
        nodes: Sequence[str],
        sls: Sequence[str],
        *,
        timeout: float,
        on_return: OnReturn | None = None,
        pillar: Mapping[str, Any] | None = None,
        sums: Mapping[str, str] | None = None,
    ) -> dict[str, NodeReturn]:
        """Apply states on nodes at once; `on_return` hears of each node as it returns. `pillar`: for this job alone.

        `sums`: of all files that the master serves, for nodes not to ask for each (`salt_files.state_sums`).

        Failed states are in the returns. Raises MinionsSilentError when a node is missing at the end.
        """
        started = time.monotonic()
        returns: dict[str, NodeReturn] = {}

        def hear(node: str, data: Mapping[str, Any]) -> None:
            returns[node] = walk(node, data, time.monotonic() - started)
            if on_return is not None:
                on_return(node, returns[node])

        mods, told = [",".join(sls)], {"pillar": pillar, "sums": sums}
        more = {name: dict(values) for name, values in told.items() if values}
        silent = self._job(nodes, "states.apply", mods, more, timeout=timeout, hear=hear, thorough=True)
        if silent:
            raise _silent(silent, f"states.apply {','.join(sls)}", returns, timeout)
        return returns

    def ask(self, nodes: Sequence[str], function: str, *args: Any, timeout: float = 30) -> Answers:
        """Run an execution function; whoever does not answer or fails is told, not raised."""
        values: dict[str, Any] = {}
        failed: dict[str, str] = {}

        def hear(node: str, data: Mapping[str, Any]) -> None:
            if data.get("success", True) and not data.get("retcode"):
                values[node] = data.get("return")
            else:
                failed[node] = str(data.get("return")).strip()

        thorough = timeout > 2 * _QUIET_SECONDS
        silent = self._job(nodes, function, list(args), {}, timeout=timeout, hear=hear, thorough=thorough)
        return Answers(values, failed, tuple(silent))

    def call(self, nodes: Sequence[str], function: str, *args: Any, timeout: float = 30) -> dict[str, Any]:
        """Run an execution function on every node, or raise SaltError."""
        answers = self.ask(nodes, function, *args, timeout=timeout)
        if answers.silent:
            raise _silent(answers.silent, function, answers.values, timeout)
        if answers.failed:
            raise SaltError(
                f"{function} failed on {', '.join(sorted(answers.failed))}",
                where=self.url,
                lines=[f"{node}: {text.splitlines()[-1] if text else ''}" for node, text in answers.failed.items()],
                next_step=f"bootstrap ssh {min(answers.failed)} -- journalctl -u salt-minion -n 30",
            )
        return dict(answers.values)

    def runner(self, function: str, **kwargs: Any) -> Any:
        """Run a runner on the master and return its value."""
        return self._low({"client": "runner", "fun": function, **kwargs})

    def login(self) -> None:
        """Log in now (else: at first use). Raises SaltError."""
        self._low(None)

    def reset(self) -> None:
        """Forget connection and token: the API was restarted."""
        with self._lock:
            self._client = None

    def close(self) -> None:
        """End the event stream."""
        self._mailbox.close()

    def _job(
        self,
        nodes: Sequence[str],
        function: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        timeout: float,
        hear: Callable[[str, Mapping[str, Any]], None],
        thorough: bool,
    ) -> list[str]:
        """Submit, hear the returns, and give back the nodes that will not return.

        `thorough`: look after quiet nodes, and into the job cache, before calling a node silent.
        """
        if not nodes:
            return []
        deadline = time.monotonic() + timeout
        self.login()  # tells at once when there is no API, where the stream would only go on trying
        self._mailbox.start(min(5.0, timeout))
        jid, reached = self._submit(nodes, function, args, kwargs)
        if not jid:
            return sorted(nodes)
        try:
            missing = self._collect(jid, reached & set(nodes), deadline, hear, thorough=thorough)
        finally:
            self._mailbox.forget(jid)
        return sorted(missing | (set(nodes) - reached))

    def _submit(
        self, nodes: Sequence[str], function: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[str, set[str]]:
        """Job id, and the nodes whose keys the master has accepted."""
        low = {"client": "local_async", "tgt": list(nodes), "tgt_type": "list", "fun": function, "arg": list(args)}
        job = self._low({**low, "kwarg": dict(kwargs)}) or {}
        if job:
            self._mailbox.expect(job["jid"])
        return job.get("jid", ""), set(job.get("minions", ()))

    def _collect(
        self,
        jid: str,
        awaited: set[str],
        deadline: float,
        hear: Callable[[str, Mapping[str, Any]], None],
        *,
        thorough: bool,
    ) -> set[str]:
        heard: set[str] = set()
        checks = 0
        while awaited - heard:
            left = deadline - time.monotonic()
            returns = self._mailbox.wait(jid, len(heard), min(left, _QUIET_SECONDS))
            news = returns.keys() - heard
            for node in news:
                hear(node, returns[node])
            heard |= news
            if left <= 0:
                if thorough:
                    self._look_up(jid, heard, hear)
                break
            if not news and thorough:
                quiet = self._not_working(jid, awaited - heard, _CHECK_SECONDS * 2**checks)
                self._look_up(jid, heard, hear)
                checks = checks + 1 if quiet >= awaited - heard else 0
                if checks == _CHECKS:
                    break  # nobody who is awaited is still at work
        return awaited - heard

    def _not_working(self, jid: str, nodes: set[str], seconds: float) -> set[str]:
        """Those of `nodes` that do not answer, or answer that they are not busy with the job."""
        answers = self.ask(sorted(nodes), "saltutil.find_job", jid, timeout=seconds)
        return {node for node in nodes if not answers.values.get(node)}

    def _look_up(self, jid: str, heard: set[str], hear: Callable[[str, Mapping[str, Any]], None]) -> None:
        """What the job cache has that the event stream did not bring."""
        found = self.runner("jobs.list_job", jid=jid) or {}
        for node, data in dict(found.get("Result") or {}).items():
            if node not in heard:
                self._mailbox.put(jid, node, data)
                heard.add(node)
                hear(node, data)

    def _low(self, low: Mapping[str, Any] | None) -> Any:
        try:
            client = self._logged_in()
            if low is None:
                return None
            try:
                return client.low([dict(low)])["return"][0]
            except HTTPError as error:
                if error.code != 401:
                    raise
                self.reset()  # the token ran out, or the API was restarted
                return self._logged_in().low([dict(low)])["return"][0]
        except (OSError, ValueError, KeyError, IndexError, http.client.HTTPException) as error:
            raise self._failure(error) from error

    def _logged_in(self) -> _Client:
        with self._lock:
            if self._client is None:
                client = _Client(self.url, self._ca)
                client.login(self._user, self._password, "file")
                self._client = client
            return self._client

    def _events(self) -> Iterator[bytes]:
        with self._logged_in().open("/events", None, _STREAM_SECONDS) as stream:
            yield from stream

    def _failure(self, error: Exception) -> SaltError:
        reason = error.reason if isinstance(error, URLError) and not isinstance(error, HTTPError) else error
        text, cause = str(reason) or type(reason).__name__, "salt-api is not running, or the network between is down"
        next_step = "bootstrap ssh <admin node> -- journalctl -u salt-api -u salt-master -n 30"
        if isinstance(error, HTTPError):
            text, cause = _http_error(error)
        elif isinstance(reason, ssl.SSLCertVerificationError):
            cause = "the certificate is not of this environment's CA: another server, or the CA was made anew"
            next_step = "run `bootstrap cluster --only salt`, which renews the certificate over SSH"
        elif isinstance(reason, TimeoutError):
            cause = "salt-api took the connection and then said nothing: the master is overloaded or hangs"
        elif isinstance(error, (ValueError, KeyError, IndexError)):
            cause = "the answer is not what salt-api answers: another service listens there"
        return SaltError(
            "the Salt master's API does not answer as it should",
            where=self.url,
            lines=[text],
            cause=cause,
            next_step=next_step,
        )


def _http_error(error: HTTPError) -> tuple[str, str]:
    text = f"HTTP {error.code} {error.reason}"
    with error:
        body = error.read(2000).decode(errors="replace")
    try:
        said = json.loads(body).get("return", "")
    except (ValueError, AttributeError):
        said = ""
    if error.code == 401:
        return text, "the password of user 'bootstrap' on the master is not the one in the state folder"
    return f"{text}: {said}" if said else text, "the request reached salt-api, which could not carry it out"


def _silent(nodes: Iterable[str], what: str, returns: Mapping[str, Any], timeout: float) -> MinionsSilentError:
    names = sorted(nodes)
    shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    return MinionsSilentError(
        f"no return from {shown}",
        names,
        returns,
        where=what,
        lines=[f"{len(returns)} other nodes returned; waited at most {timeout:g} s"],
        cause="the minion is not running, its machine is down, or the master has not accepted its key",
        next_step=f"bootstrap ssh {names[0]} -- systemctl status salt-minion; then run the same command again",
    )


def connect(cluster: Cluster, secrets: Secrets, authority: Authority) -> SaltApi:
    """The API of this environment's master. Nothing is sent before the first call."""
    role = cluster.roles["admin"]
    port = next(port.number for port in role.ports if port.name == "salt-api")
    admin = cluster.with_role("admin")[0]
    return SaltApi(f"https://{admin.address}:{port}", authority.ca_path, USER, secrets.value("salt-api"))
