"""Runs Molecule scenarios one after the other, and keeps the table of when each last ran and how that ended.

Every run writes build/molecule-runs.md; with --record the table of the documents, docs/molecule-runs.md, too.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parent.parent
SCENARIOS = CHECKOUT / "molecule"
RECORD = CHECKOUT / "docs" / "molecule-runs.md"
BUILD = CHECKOUT / "build"
VENV = CHECKOUT / ".venv-molecule" / "bin"
TITLE = "# Molecule scenarios: when each last ran\n\nWritten by molecule/run.py, not by hand. "
TITLE += "`-dirty`: with changes that were not committed.\n\n"
NEVER = "never"
TOLD = 60  # last lines of a failed run


class Row(NamedTuple):
    """One scenario's last run, as it is written; the field names are the table's header."""

    scenario: str
    last_run: str = NEVER
    commit: str = ""
    result: str = ""
    seconds: str = ""
    changes: str = ""
    second_run: str = ""
    checks: str = ""


def names(folder: Path = SCENARIOS) -> list[str]:
    """Every scenario: a folder with the file by which Molecule finds it."""
    return sorted(path.parent.name for path in folder.glob("*/molecule.yml"))


def row_of(name: str, status: int, said: str, seconds: float, commit: str) -> Row:
    """What a finished `molecule test` becomes. `said`: its output, without colours."""
    changes = re.findall(rf"{name}: (\d+) changes in ", said)
    checks = re.findall(rf"{name}: (\d+) checks passed", said)
    failed = re.findall(rf"^{name} > (\S+): Executed: Failed", said, re.MULTILINE)
    result = "passed" if status == 0 else f"failed at {failed[0]}" if failed else f"ended with status {status}"
    if status == 0 and not (len(changes) == 2 and checks):
        result = "failed: it does not say what it did"  # a scenario that skips steps proves nothing
    first, second = [*changes, "", ""][:2]
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    return Row(name, now, commit, result, f"{seconds:.0f}", first, second, checks[-1] if checks else "")


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    header = [field.replace("_", " ") for field in Row._fields]
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def read(path: Path) -> dict[str, Row]:
    """The rows of a table that was written before."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    cells = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return {row[0]: Row(*row) for row in cells[2:]}


def write(path: Path, new: Row) -> None:
    """Put one row in its place: a scenario that has gone goes, one that never ran says so."""
    rows = {**read(RECORD), **read(path), new.scenario: new}
    path.parent.mkdir(exist_ok=True)
    path.write_text(TITLE + table([rows.get(name, Row(name)) for name in names()]), encoding="utf-8")


def run_one(name: str, commit: str) -> Row:
    """`molecule test -s NAME`; its output is kept in build/molecule/NAME.log."""
    log = BUILD / "molecule" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with log.open("w", encoding="utf-8") as output:
        status = molecule("test", "-s", name, output=output.fileno())
    said = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(encoding="utf-8", errors="replace"))
    row = row_of(name, status, said, time.monotonic() - started, commit)
    if row.result != "passed":
        print("\n".join(said.splitlines()[-TOLD:]), f"\nall of it: {log}", file=sys.stderr, flush=True)
    return row


def molecule(*args: str, output: int | None = None) -> int:
    """The command's exit status. It finds Ansible on PATH alone."""
    path = f"{VENV}{os.pathsep}{os.environ.get('PATH', '')}"
    return subprocess.run(
        [str(VENV / "molecule"), *args],
        cwd=CHECKOUT,
        env={**os.environ, "PATH": path, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        check=False,
    ).returncode


def commit_id() -> str:
    """What was tested."""
    words = ["git", "describe", "--always", "--exclude=*", "--dirty"]
    done = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def main(argv: Sequence[str] | None = None) -> int:
    """All scenarios unless some are named; 0 when all that ran passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", nargs="*", default=[], help="instead of all")
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.relative_to(CHECKOUT)} as well")
    args = parser.parse_args(argv)
    strange = set(args.scenario) - set(names())
    if strange:
        parser.error(f"no scenario {', '.join(sorted(strange))}; there is: {', '.join(names())}")
    commit, rows = commit_id(), []
    for name in args.scenario or names():
        print(f"molecule test -s {name}", flush=True)
        rows.append(run_one(name, commit))
        print(f"  {rows[-1].result} in {rows[-1].seconds} s", flush=True)
        for path in [BUILD / RECORD.name, *([RECORD] if args.record else [])]:
            write(path, rows[-1])
    print(f"\n{table(rows)}", end="")
    return 0 if all(row.result == "passed" for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
