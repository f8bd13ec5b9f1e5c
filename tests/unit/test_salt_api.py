"""salt-api's client against a real TLS server: trust, deadlines, missing minions, errors told."""

from __future__ import annotations

import importlib.util
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bootstrap import salt_api
from bootstrap.certificates import Authority
from bootstrap.errors import ExitStatus, SaltError
from bootstrap.salt_api import MinionsSilentError, SaltApi

_spec = importlib.util.spec_from_file_location("salt_server", Path(__file__).with_name("salt_server.py"))
salt_server = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(salt_server)

FINE = {"return": {"test_|-a_|-a_|-nop": {"result": True, "changes": {}, "comment": ""}}, "retcode": 0, "success": True}
CHANGED = {
    "return": {"test_|-a_|-a_|-nop": {"result": True, "changes": {"a": 1}, "comment": ""}},
    "retcode": 0,
    "success": True,
}


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(salt_api, "_HTTP_SECONDS", 1.0)
    monkeypatch.setattr(salt_api, "_QUIET_SECONDS", 0.3)
    monkeypatch.setattr(salt_api, "_CHECK_SECONDS", 0.3)


@pytest.fixture
def server(tmp_path: Path) -> Iterator:
    Authority("e").issue("admin-1", [], ["127.0.0.1"])
    folder = tmp_path / "e" / "ca"
    server = salt_server.SaltServer(folder / "admin-1.crt", folder / "admin-1.key")
    yield server
    server.close()


@pytest.fixture
def api(server) -> Iterator[SaltApi]:
    api = SaltApi(server.url, Authority("e").ca_path, "bootstrap", "right")
    yield api
    api.close()


def test_pepper_leaves_the_processs_tls_verification_alone(server) -> None:
    assert "pepper" in dir(salt_api)
    assert ssl._create_default_https_context().verify_mode is ssl.CERT_REQUIRED
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(f"{server.url}/login", timeout=5)


def test_a_server_with_another_ca_is_refused_before_the_password_is_sent(server) -> None:
    api = SaltApi(server.url, Authority("other").ca_path, "bootstrap", "right")
    with pytest.raises(SaltError) as caught:
        api.login()
    assert caught.value.status is ExitStatus.SALT
    assert "not of this environment's CA" in caught.value.cause
    assert server.logins == 0


def test_a_certificate_for_another_address_is_refused(server, tmp_path: Path) -> None:
    Authority("e").issue("wrong", [], ["127.0.0.2"])
    folder = tmp_path / "e" / "ca"
    other = salt_server.SaltServer(folder / "wrong.crt", folder / "wrong.key")
    with pytest.raises(SaltError, match="does not answer as it should") as caught:
        SaltApi(other.url, Authority("e").ca_path, "bootstrap", "right").login()
    assert "IP address mismatch" in caught.value.lines[0]
    other.close()


def test_apply_hears_every_node_and_counts_its_changes(server, api: SaltApi) -> None:
    server.minions = {"control-1": CHANGED, "control-2": FINE}
    heard = []
    returns = api.apply(
        ["control-1", "control-2"], ["base", "java"], timeout=5, on_return=lambda node, result: heard.append(node)
    )
    assert {node: result.changes for node, result in returns.items()} == {"control-1": 1, "control-2": 0}
    assert sorted(heard) == ["control-1", "control-2"]
    job = server.requests[0]
    assert (job["fun"], job["arg"], job["tgt_type"]) == ("states.apply", ["base,java"], "list")
    assert job["kwarg"] == {}
    assert [low["client"] for low in server.requests] == ["local_async"]  # no polling while all goes well


def test_a_silent_minion_is_named_long_before_the_deadline_and_the_others_are_kept(server, api: SaltApi) -> None:
    server.minions = {"control-1": FINE, "control-2": None}
    started = time.monotonic()
    with pytest.raises(MinionsSilentError) as caught:
        api.apply(["control-1", "control-2"], ["base"], timeout=60)
    assert time.monotonic() - started < 10
    assert caught.value.nodes == ("control-2",)
    assert list(caught.value.returns) == ["control-1"]
    assert "control-2" in caught.value.what
    assert "bootstrap ssh control-2" in caught.value.next_step


def test_a_minion_still_at_work_is_waited_for(server, api: SaltApi) -> None:
    server.minions, server.working = {"agent-1": None}, {"agent-1"}

    def finish() -> None:
        server.working.clear()
        server.tell(f"2026{1:016}", "agent-1", FINE)

    threading.Timer(2.5, finish).start()
    assert api.apply(["agent-1"], ["base"], timeout=30)["agent-1"].ok


def test_the_deadline_holds_for_a_minion_that_works_for_ever(server, api: SaltApi) -> None:
    server.minions, server.working = {"agent-1": None}, {"agent-1"}
    started = time.monotonic()
    with pytest.raises(MinionsSilentError):
        api.apply(["agent-1"], ["base"], timeout=1.5)
    assert time.monotonic() - started < 5


def test_a_return_the_stream_lost_is_found_in_the_job_cache(server, api: SaltApi) -> None:
    server.minions = {"control-1": FINE}
    server.cached = {"control-1": FINE}
    assert api.apply(["control-1"], ["base"], timeout=30)["control-1"].ok


def test_it_works_without_the_event_stream(server, api: SaltApi, monkeypatch: pytest.MonkeyPatch) -> None:
    server.stream = False
    server.minions = {"control-1": FINE}
    server.cached = {"control-1": CHANGED}
    assert api.apply(["control-1"], ["base"], timeout=30)["control-1"].changes == 1


def test_a_node_whose_key_is_not_accepted_is_missing(server, api: SaltApi) -> None:
    server.minions = {"control-1": FINE, "agent-1": FINE}
    server.accepted = {"control-1"}
    with pytest.raises(MinionsSilentError) as caught:
        api.apply(["control-1", "agent-1"], ["base"], timeout=30)
    assert caught.value.nodes == ("agent-1",)


def test_nobody_is_known_to_the_master(server, api: SaltApi) -> None:
    server.accepted = set()
    assert api.ask(["a", "b"], "test.ping", timeout=5).silent == ("a", "b")


def test_no_nodes_no_request(server, api: SaltApi) -> None:
    assert api.apply([], ["base"], timeout=5) == {}
    assert server.requests == []


def test_call_gives_values(server, api: SaltApi) -> None:
    server.minions = {"a": {"return": {"ready": True}, "retcode": 0, "success": True}}
    assert api.call(["a"], "readiness.probe", "zookeeper", timeout=5) == {"a": {"ready": True}}
    assert server.requests[0]["arg"] == ["zookeeper"]


@pytest.mark.parametrize(
    "data",
    [
        {"return": "Traceback ...\nOSError: no", "retcode": 1, "success": False},
        {"return": "'x.y' is not available.", "retcode": 254, "success": False},
    ],
)
def test_a_function_that_fails_names_node_and_reason(server, api: SaltApi, data: dict[str, Any]) -> None:
    server.minions = {"a": data, "b": {"return": True, "retcode": 0, "success": True}}
    with pytest.raises(SaltError, match=r"x\.y failed on a") as caught:
        api.call(["a", "b"], "x.y", timeout=5)
    assert data["return"].splitlines()[-1] in caught.value.lines[0]
    assert api.ask(["a", "b"], "x.y", timeout=5).values == {"b": True}


def test_a_token_that_ran_out_is_renewed(server, api: SaltApi) -> None:
    server.minions = {"a": {"return": True, "retcode": 0, "success": True}}
    api.call(["a"], "test.ping", timeout=5)
    server.token = "t2"
    assert api.call(["a"], "test.ping", timeout=5) == {"a": True}
    assert server.logins >= 2


def test_a_wrong_password_is_told_and_not_shown(server) -> None:
    api = SaltApi(server.url, Authority("e").ca_path, "bootstrap", "s3cr3t")
    with pytest.raises(SaltError) as caught:
        api.login()
    assert "password" in caught.value.cause
    assert "s3cr3t" not in str(caught.value.as_json()) + repr(api)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (500, {"status": 500, "return": "An unexpected error occurred"}, "An unexpected error occurred"),
        (503, {}, "HTTP 503"),
        (406, {}, "HTTP 406"),
    ],
)
def test_http_errors_are_translated(server, api: SaltApi, status: int, body: dict[str, Any], said: str) -> None:
    server.failure = (status, body)
    with pytest.raises(SaltError) as caught:
        api.runner("jobs.active")
    assert said in caught.value.lines[0]


def test_a_server_that_never_answers_meets_the_deadline(server, api: SaltApi) -> None:
    server.hang = True
    started = time.monotonic()
    with pytest.raises(SaltError) as caught:
        api.login()
    assert time.monotonic() - started < 5
    assert "said nothing" in caught.value.cause


def test_a_server_that_takes_the_connection_and_is_no_tls_server_meets_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        api = SaltApi(f"https://127.0.0.1:{silent.getsockname()[1]}", Authority("e").ca_path, "bootstrap", "x")
        started = time.monotonic()
        with pytest.raises(SaltError):
            api.login()
        assert time.monotonic() - started < 5


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(SaltError) as caught:
        SaltApi(f"https://127.0.0.1:{port}", Authority("e").ca_path, "bootstrap", "x").login()
    assert "refused" in caught.value.lines[0]
    assert caught.value.next_step


def test_several_threads_share_one_stream(server, api: SaltApi) -> None:
    server.minions = {f"n{number}": FINE for number in range(8)}
    results: dict[str, Any] = {}

    def work(node: str) -> None:
        results.update(api.apply([node], ["base"], timeout=10))

    threads = [threading.Thread(target=work, args=(node,)) for node in server.minions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(15)
    assert sorted(results) == sorted(server.minions)
    assert len(server.listeners) == 1
