"""`verify`: what counts as green, told by the real ground of tests/roles and small contracts of our own."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bootstrap import config, paths, verify, whose_machines
from bootstrap.cli import verify as command
from bootstrap.errors import ExitStatus, UsageError, VerifyError
from bootstrap.model import Cluster
from bootstrap.report import Report
from bootstrap.secrets import Secrets
from bootstrap.verify import Check, Verdict

GOOD = '''
def test_good(node):
    """Is as it should be."""
    assert node.name
'''
BAD_ON_AGENTS = '''
def test_agent(node):
    """Is no agent"""
    wrong = ["it is one"] if node.name.startswith("agent") else []
    assert not wrong, "; ".join(wrong)
'''
WHOLE = '''
def test_whole(cluster):
    """All of them agree"""
    assert len(cluster.nodes) > 1
'''


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path / "state"))
    return config.load("small")


@pytest.fixture
def contracts(tmp_path: Path) -> Any:
    folder = tmp_path / "roles"
    folder.mkdir()
    shutil.copy(verify.TESTS / "conftest.py", folder)

    def write(**files: str) -> Path:
        for name, text in files.items():
            (folder / f"test_{name}.py").write_text(text)
        return folder

    return write


def run(cluster: Cluster, tests: Path, **narrow: Any) -> tuple[Verdict, list[tuple[str, str]]]:
    said: list[tuple[str, str]] = []
    return verify.verify(cluster, lambda node, text: said.append((node, text)), tests=tests, **narrow), said


def test_all_pass(small: Cluster, contracts: Any) -> None:
    verdict, said = run(small, contracts(base=GOOD, zookeeper=GOOD + WHOLE))
    assert verdict.ok, verdict
    nodes = len(small.nodes)
    assert [str(check) for check in verdict.checks] == [
        *(f"{node.name}: Is as it should be (base)" for node in small.nodes),
        "control-1: Is as it should be (zookeeper)",
        "cluster: All of them agree (zookeeper)",
    ]
    assert said == [("", f"base: {nodes} of {nodes} checks passed"), ("", "zookeeper: 2 of 2 checks passed")]
    verdict.raise_if_failed()


def test_one_fails(small: Cluster, contracts: Any) -> None:
    verdict, said = run(small, contracts(base=GOOD + BAD_ON_AGENTS))
    assert not verdict.ok
    assert [str(check) for check in verdict.failed] == ["agent-1: Is no agent (base): it is one"]
    assert ("agent-1", "failed: Is no agent (base)") in said
    with pytest.raises(VerifyError) as caught:
        verdict.raise_if_failed()
    assert caught.value.status == ExitStatus.VERIFY
    assert caught.value.what == f"1 of {2 * len(small.nodes)} checks failed"
    assert "bootstrap verify --env small --node agent-1" in caught.value.next_step


@pytest.mark.parametrize(
    ("narrow", "expected"),
    [
        ({"roles": ["zookeeper"]}, {("zookeeper", "control-1")}),
        ({"nodes": ["agent-1"]}, {("base", "agent-1")}),
        ({"nodes": ["control-1"]}, {("base", "control-1"), ("zookeeper", "control-1")}),
        ({"nodes": ["control-1"], "roles": ["base"]}, {("base", "control-1")}),
    ],
)
def test_narrowed(small: Cluster, contracts: Any, narrow: dict[str, Any], expected: set[tuple[str, str]]) -> None:
    verdict, _ = run(small, contracts(base=GOOD, zookeeper=GOOD), **narrow)
    assert verdict.ok, verdict
    assert {(check.role, check.node) for check in verdict.checks} == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("import no_such_module\n", "no_such_module"),
        ("", "status 5"),
        ("import os\ndef test_x(node):\n    os._exit(0)\n", "pytest left no result"),
        ("import os\ndef test_x(node):\n    os._exit(1)\n", "pytest left no result"),
        ("import pytest\ndef test_x(node):\n    pytest.skip('not today')\n", "proves nothing"),
        ("import pytest\ndef test_x(node):\n    pytest.exit('enough', 0)\n", "no check was executed"),
        (WHOLE, "agent-1: no check was executed"),
    ],
)
def test_what_did_not_run_is_never_green(small: Cluster, contracts: Any, text: str, words: str) -> None:
    verdict, _ = run(small, contracts(base=text))
    assert not verdict.ok
    error = verdict.error()
    assert error is not None
    assert any(words in line for line in error.lines), error.lines


def test_one_broken_file_spoils_all(small: Cluster, contracts: Any) -> None:
    verdict, _ = run(small, contracts(base=GOOD, zookeeper="import no_such_module\n"))
    assert not verdict.ok


def test_no_contracts_at_all(small: Cluster, contracts: Any) -> None:
    verdict, _ = run(small, contracts())
    assert not verdict.ok


def test_setup_that_fails_is_a_failed_check(small: Cluster, contracts: Any) -> None:
    text = "import pytest\n@pytest.fixture\ndef needed():\n    raise OSError('is away')\n" + GOOD.replace(
        "(node)", "(node, needed)"
    )
    verdict, said = run(small, contracts(base=text))
    assert [check.node for check in verdict.failed] == [node.name for node in small.nodes]
    assert ("", f"base: 0 of {len(small.nodes)} checks passed") in said


def test_what_is_begun_early_says_the_same_and_can_be_abandoned(small: Cluster, contracts: Any) -> None:
    said: list[tuple[str, str]] = []
    begun = verify.Verification(small, tests=contracts(base=GOOD))
    begun._process.wait(30)  # its events lie in the pipe until somebody asks
    assert begun.verdict(lambda node, text: said.append((node, text))).ok
    assert said == [("", f"base: {len(small.nodes)} of {len(small.nodes)} checks passed")]
    slow = verify.Verification(small, tests=contracts(base="import time\ndef test_x(node):\n    time.sleep(600)\n"))
    slow.abandon()
    assert slow._process.returncode is not None


def test_a_secret_that_slips_out_is_hidden(small: Cluster, contracts: Any) -> None:
    value = Secrets("small").value("mesos-operator")
    text = f"def test_leak(node):\n    '''Shows it'''\n    assert False, 'the password {value} is wrong'\n"
    verdict, _ = run(small, contracts(base=text))
    assert value not in str(verdict.as_json())
    assert "(secret)" in verdict.failed[0].why


def test_names_that_do_not_exist_are_suggested() -> None:
    with pytest.raises(UsageError, match="no role 'mesos-mater'") as caught:
        command.known("role", ["mesos-mater"], ["mesos-master", "base"], "bootstrap plan")
    assert "mesos-master" in caught.value.cause


def test_a_role_that_no_chosen_node_has(small: Cluster) -> None:
    args = argparse.Namespace(env="small", role=["zookeeper"], node=["agent-1"])
    with pytest.raises(UsageError, match="no node fits role zookeeper and node agent-1"):
        command.run(args, Report())


@pytest.mark.parametrize(("why", "status"), [("", ExitStatus.OK), ("is ill", ExitStatus.VERIFY)])
def test_json(
    small: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], why: str, status: ExitStatus
) -> None:
    verdict = Verdict("small", (Check("base", "agent-1", "Is well", why),), (), 0.1, "small")
    monkeypatch.setattr(verify, "verify", lambda *_args, **_kwargs: verdict)
    monkeypatch.setattr(whose_machines, "refuse", lambda _cluster: None)  # machines of that name may run here
    args = SimpleNamespace(env="small", role=[], node=[])
    assert command.run(args, Report(as_json=True)) == status
    assert '"Is well"' in capsys.readouterr().out


def test_every_role_has_its_contract_and_every_contract_its_role() -> None:
    roles = set(config.load("small").roles)
    files = {path.stem.removeprefix("test_").replace("_", "-") for path in verify.TESTS.glob("test_*.py")}
    assert files == roles


def test_contracts_are_shipped_where_they_are_looked_for() -> None:
    assert verify.TESTS.is_relative_to(paths.CHECKOUT)
    assert (verify.TESTS / "conftest.py").exists()


def test_one_reason_for_many_failures_is_told_once() -> None:
    silent = [Check("base", "agent-1", f"check {i}", "no answer") for i in range(14)]
    other = Check("base", "agent-2", "check 1", "no answer")
    error = Verdict("small", (*silent, other), (), 0.1, "small").error()
    assert error is not None
    assert error.lines == ("agent-1: 14 checks: no answer", "agent-2: check 1 (base): no answer")
