"""One bake: a container from the base, the install steps of the states inside it, committed when all is well.

The container gets its inputs as one read-only folder and keeps nothing of it. Only a bake that went
through gets the final tag; whatever an interrupted one left is removed by the next.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bootstrap import apt_sources, paths
from bootstrap.drivers.docker_cli import attempt, docker
from bootstrap.errors import MachinesError
from bootstrap.process import Progress, stream

if TYPE_CHECKING:
    from bootstrap.artifacts import Artifact

BAKE_LABEL = "utopia.bake"
INPUTS = "/run/utopia-bake"  # below /run: the machines' own tmpfs hides what is left of the mount point
WORK = "/var/tmp/utopia-bake"  # noqa: S108 - a folder of root inside the container
_SALT_CALL = "/opt/saltstack/salt/bin/salt-call"
_STEP_SECONDS = 1800.0


def bake(
    reference: str,
    *,
    base: str,
    components: Iterable[str],
    artifacts: Mapping[str, Artifact],
    wheels: Path,
    progress: Progress,
) -> None:
    """Make `reference`. The caller holds the lock of this key."""
    name = f"utopia-bake-{reference.partition(':')[2]}"
    inputs = paths.cache_dir() / "image" / name
    steps = [component for component in components if (paths.SALT / component / "install.sls").is_file()]
    _remove(name)
    try:
        _write_inputs(inputs, steps, artifacts)
        _start(name, base, inputs, wheels, reference)
        _run_script(name, "prepare.sh", progress)
        _apply(name, steps, progress)
        _run_script(name, "clean.sh", progress)
        progress("", "saving the image")
        changes = ['CMD ["/lib/systemd/systemd"]', f"LABEL utopia.image={reference} {BAKE_LABEL}="]
        docker("commit", *(f"--change={change}" for change in changes), name, reference, timeout=_STEP_SECONDS)
    finally:
        _remove(name)
        shutil.rmtree(inputs, ignore_errors=True)


def failures(result: Any) -> list[str]:
    """What went wrong in the JSON that `salt-call --local state.apply` prints; [] when every state is true."""
    local = result.get("local") if isinstance(result, dict) else None
    if not isinstance(local, dict) or not local:
        lines = local if isinstance(local, list) else [f"not a result of states: {json.dumps(result)[:500]}"]
        return [str(line) for line in lines]
    return [
        f"{state.get('__sls__', '?')}: {state.get('__id__', name)}: {_first_lines(state.get('comment', ''))}"
        for name, state in sorted(local.items(), key=lambda item: item[1].get("__run_num__", 0))
        if state.get("result") is not True
    ]


def pillar(components: Iterable[str], artifacts: Mapping[str, Artifact]) -> dict[str, Any]:
    """The little that install steps may ask for."""
    return {
        "settings": {},
        "components": list(components),
        "artifacts": {"files": {name: artifact.as_pillar() for name, artifact in artifacts.items()}},
    }


def _first_lines(comment: object) -> str:
    return " | ".join(str(comment).strip().splitlines()[:6])


def _write_inputs(folder: Path, components: list[str], artifacts: Mapping[str, Artifact]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("apt/sources.list.d", "config", "pillar", "artifacts", "wheelhouse", "salt", "image", "salt-venv"):
        (folder / name).mkdir(parents=True)
    (folder / "apt/sources.list.d/debian.sources").write_text(apt_sources.text(), encoding="utf-8")
    (folder / "apt/apt.conf").write_text(_apt_conf(), encoding="utf-8")
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    if certificates.is_file():
        shutil.copy(certificates, folder / "apt/ca.crt")
    minion = {
        "id": "bake",
        "root_dir": WORK,
        "file_client": "local",
        "file_roots": {"base": [f"{INPUTS}/salt"]},
        "pillar_roots": {"base": [f"{INPUTS}/pillar"]},
    }
    (folder / "config/minion").write_text(json.dumps(minion), encoding="utf-8")  # JSON is YAML
    (folder / "pillar/top.sls").write_text(json.dumps({"base": {"*": ["bake"]}}), encoding="utf-8")
    (folder / "pillar/bake.sls").write_text(json.dumps(pillar(components, artifacts)), encoding="utf-8")
    for artifact in artifacts.values():
        _link(artifact.path, folder / "artifacts" / artifact.file)


def _apt_conf() -> str:
    """This machine's way of fetching, for this bake alone; certificates from a path that exists in both places."""
    return (
        apt_sources.acquire_options()
        + f'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "{INPUTS}/apt/sources.list.d";\n'
        + f'Acquire::https::CAInfo "{INPUTS}/apt/ca.crt";\nAcquire::Languages "none";\n'
    )


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy(source, target)


def _start(name: str, base: str, inputs: Path, wheels: Path, reference: str) -> None:
    """The host's network and apt's own settings; nothing of them is in what gets committed."""
    checkout = paths.CHECKOUT
    mounts = {
        inputs: INPUTS,
        wheels: f"{INPUTS}/wheelhouse",
        paths.SALT: f"{INPUTS}/salt",
        checkout / "packaging" / "image": f"{INPUTS}/image",
        checkout / "packaging" / "salt": f"{INPUTS}/salt-venv",
    }
    volumes = [f"--volume={source}:{target}:ro" for source, target in mounts.items()]
    secrets = [Path("/etc/apt/auth.conf.d"), Path("/etc/apt/auth.conf")]  # logins of private mirrors
    volumes += [f"--volume={path}:{path}:ro" for path in secrets if path.exists() and not _empty(path)]
    labels = [f"--label={BAKE_LABEL}={reference}"]
    docker("create", f"--name={name}", *labels, "--network=host", "--init", *volumes, base, "sleep", "infinity")
    docker("start", name)


def _empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _execute(name: str, command: list[str], progress: Progress, marker: str) -> tuple[int, tuple[str, ...]]:
    """Run inside; lines that begin a step (`marker`) become progress."""

    def on_line(line: str) -> None:
        _, found, text = line.partition(marker)
        if found:
            progress("", text.split("]")[0].strip())

    environment = [f"--env=APT_CONFIG={INPUTS}/apt/apt.conf", "--env=DEBIAN_FRONTEND=noninteractive"]
    done = stream(["docker", "exec", *environment, name, *command], on_line, timeout=_STEP_SECONDS)
    return done.status, done.tail(25)


def _run_script(name: str, script: str, progress: Progress) -> None:
    status, tail = _execute(name, ["sh", f"{INPUTS}/image/{script}"], progress, "step: ")
    if status:
        raise _failed(f"{script} ended with status {status}", name, list(tail))


def _apply(name: str, components: list[str], progress: Progress) -> None:
    call = [_SALT_CALL, "--local", f"--config-dir={INPUTS}/config", "--log-level=info", "--retcode-passthrough"]
    status, tail = _execute(name, [*call, "--log-level=warning", "saltutil.sync_all"], progress, "\0")
    if status:
        raise _failed("Salt does not run in the image", name, list(tail))
    out = f"{WORK}/result.json"
    targets = ",".join(f"{component}.install" for component in components)
    command = [*call, "--out=json", f"--out-file={out}", "state.apply", targets]
    status, tail = _execute(name, command, progress, "Running state [")
    text = attempt("exec", name, "cat", out).out
    try:
        problems = failures(json.loads(text))
    except ValueError:
        problems = list(tail)
    if problems or status:
        terminal = attempt("exec", name, "tail", "--lines=12", "/var/log/apt/term.log")
        raise _failed("an install step failed", name, [*(problems or tail), *(terminal.tail() if terminal.ok else ())])


def _failed(what: str, name: str, lines: list[str]) -> MachinesError:
    return MachinesError(
        f"the machine image could not be baked: {what}",
        where=name,
        lines=lines,
        cause="a package, an artifact or a state under salt/*/install.sls; the lines above name it",
        next_step="put it right and run the same command again",
    )


def _remove(name: str) -> None:
    done = attempt("rm", "--force", "--volumes", name, timeout=120)
    if not done.ok and "no such container" not in done.err.lower():
        raise _failed("what an earlier bake left could not be removed", name, list(done.tail()))
