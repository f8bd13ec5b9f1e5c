"""The programs by themselves: they start, say what they are, and refuse what they cannot do."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = ("usr/sbin/mesos-master", "usr/sbin/mesos-agent")
HELPERS = (
    "usr/lib/utopia-mesos/libexec/mesos-containerizer",
    "usr/lib/utopia-mesos/libexec/mesos-io-switchboard",
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("program", PROGRAMS)
def test_version_and_help(installed: Any, program: str) -> None:
    path = str(installed.root / program)
    version, usage = run(path, "--version"), run(path, "--help")
    assert (version.returncode, version.stdout) == (0, "mesos 1.11.0\n")
    assert usage.returncode == 0
    assert "--zk_session_timeout=VALUE" in usage.stdout


@pytest.mark.parametrize("program", PROGRAMS + HELPERS)
def test_every_symbol_is_found(installed: Any, program: str) -> None:
    done = run("ldd", "-r", str(installed.root / program))
    wrong = [line for line in (done.stdout + done.stderr).splitlines() if "not found" in line or "undefined" in line]
    # A weak function of jemalloc, which the library asks for before it uses it.
    assert [line for line in wrong if "mallctl" not in line and "malloc_stats_print" not in line] == []


@pytest.mark.parametrize("program", PROGRAMS + HELPERS)
def test_no_symbol_of_ours_replaces_the_librarys(installed: Any, program: str) -> None:
    exported = run("nm", "--dynamic", "--defined-only", str(installed.root / program)).stdout
    assert [line for line in exported.splitlines() if "_Z" in line] == []


MASTER, AGENT = PROGRAMS
ZK = "--zk=zk://127.0.0.1:1/mesos"
REFUSED = [
    pytest.param(MASTER, ["--foo=1"], "unknown flag 'foo'", id="unknown flag"),
    pytest.param(MASTER, ["--quorum=many"], "quorum", id="flag that is no number"),
    pytest.param(MASTER, [], "--work_dir must be given", id="no work_dir"),
    pytest.param(MASTER, [ZK, "--work_dir=/nowhere"], "--quorum must be given", id="no quorum"),
    pytest.param(
        MASTER,
        ["--zk=127.0.0.1", "--work_dir={work}/refused", "--quorum=1"],
        "--zk must be zk://",
        id="no ZooKeeper URL",
    ),
    pytest.param(
        MASTER, ["--zk=file:///nowhere", "--work_dir={work}/refused", "--quorum=1"], "/nowhere", id="unreadable file"
    ),
    pytest.param(MASTER, ["--registry=redis"], "--registry must be", id="unknown registry"),
    pytest.param(MASTER, [ZK, "--registry=in_memory", "--quorum=1"], "standalone", id="registry in memory, several"),
    pytest.param(MASTER, ["--registry=in_memory", "--role_sorter=random"], "not possible", id="ignored by the build"),
    pytest.param(MASTER, ["--registry=in_memory", "--firewall_rules={}"], "not possible", id="firewall"),
    pytest.param(
        MASTER, ["--registry=in_memory", "--agent_removal_rate_limit=often"], "number of agents", id="rate limit"
    ),
    pytest.param(MASTER, ["--registry=in_memory", "--acls={"], "acls", id="ACLs that are no JSON"),
    pytest.param(MASTER, ["--registry=in_memory", "--modules={"], "modules", id="modules that are no JSON"),
    pytest.param(MASTER, ["--registry=in_memory", "--hooks=nosuch"], "hooks", id="hook without a module"),
    pytest.param(AGENT, ["--bar"], "unknown flag 'bar'", id="agent: unknown flag"),
    pytest.param(AGENT, ["--master=127.0.0.1:1"], "work_dir", id="agent: no work_dir"),
    pytest.param(
        AGENT, ["--work_dir=/nowhere"], "--master (or --master_detector) must be given", id="agent: no master"
    ),
    pytest.param(
        AGENT,
        ["--work_dir={work}/refused", "--master=127.0.0.1:1", "--authenticate_http_executors"],
        "--jwt_secret_key must be given",
        id="agent: no key for its executors",
    ),
    pytest.param(
        AGENT,
        ["--work_dir={work}/refused", "--master=127.0.0.1:1", "--systemd_enable_support"],
        "not possible",
        id="agent: systemd",
    ),
]


@pytest.mark.parametrize(("program", "flags", "message"), REFUSED)
def test_wrong_flags_end_with_1_and_a_message(
    installed: Any, work: Path, program: str, flags: list[str], message: str
) -> None:
    own = ["--ip=127.0.0.1", "--port=0"] if any("registry=in_memory" in flag for flag in flags) else []
    done = run(str(installed.root / program), *own, *(flag.replace("{work}", str(work)) for flag in flags))
    assert done.returncode == 1, done.stderr
    assert message in done.stderr
