"""What runs of states take from memory: compiled templates, and a dry run good news of units; no more."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bootstrap import paths, wheelhouse

BEGINNING = """
import importlib.util, json, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("module", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
"""
RENDER = """
import jinja2
compiled = []
real = jinja2.Environment._parse
jinja2.Environment._parse = lambda self, source, *rest: compiled.append(source) or real(self, source, *rest)
module.__opts__ = {"cachedir": sys.argv[2]}
module.MOST = int(sys.argv[3])
with module.kept():
    said = [jinja2.Environment(trim_blocks=trim).from_string(source).render(x=x) for source, trim, x in %r]
print(json.dumps([said, len(compiled)]))
"""
UNITS = """
asked = []
class Functions(dict):
    _dict = property(lambda self: self)
def answer(name, *_): asked.append(name); return False
functions = Functions({f"service.{name}": answer for name in ("available", "status", "enabled")})
functions["units.ask"] = lambda names: {name: unit for name, unit in %r.items() if name in names}
high = {"a": {"service": ["running", {"name": "known"}], "__sls__": "x"}, "__extend__": [],
        "b": {"restart": [{"name": "other"}, "marked"], "file": ["managed", {"name": "/etc/x"}]}}
module._ask_of_units_at_once(high, functions)
told = {name: [functions[f"service.{what}"](name) for what in ("available", "status", "enabled")]
        for name in ("known", "other", "strange")}
print(json.dumps(told))
"""
WELL = {"LoadState": "loaded", "NeedDaemonReload": "no", "ActiveState": "active", "Enabled": "enabled"}


@pytest.fixture(scope="session")
def python() -> str:
    return str(wheelhouse.ensure_venv(lambda _node, _message: None) / "bin" / "python3")


def rendered(python: str, templates: list[tuple[str, bool, Any]], folder: Path, most: int = 100) -> Any:
    """What (text, trim_blocks, x) come to, and how many of them were compiled."""
    return run(python, "templates", RENDER % templates, str(folder), str(most))


def run(python: str, module: str, code: str, *arguments: str) -> Any:
    command = [python, "-W", "ignore", "-c", BEGINNING + code, str(paths.SALT / f"_modules/{module}.py"), *arguments]
    done = subprocess.run(command, check=False, text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_a_template_is_compiled_once_and_rendered_anew(python: str, tmp_path: Path) -> None:
    templates = [("{{ x }}{% if 1 %}\nb{% endif %}", False, "a"), ("{{ x + 1 }}", False, 1)]
    assert rendered(python, templates, tmp_path) == [["a\nb", "2"], 2]
    assert rendered(python, templates, tmp_path) == [["a\nb", "2"], 0]
    other = [(templates[0][0], False, "z"), ("{{ x + 2 }}", False, 1), (templates[0][0], True, "a")]
    assert rendered(python, other, tmp_path) == [["z\nb", "3", "ab"], 2], "another text, another setting"
    assert rendered(python, [*templates, *other], tmp_path)[1] == 0
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {"utopia-templates": 0o600}


def test_what_was_kept_and_is_damaged_is_made_anew(python: str, tmp_path: Path) -> None:
    rendered(python, [("{{ x }}", False, 1)], tmp_path)
    kept = tmp_path / "utopia-templates"
    for damaged in (kept.read_bytes()[:-1], b"", kept.read_bytes()[:40] + b"x" + kept.read_bytes()[41:]):
        kept.write_bytes(damaged)
        assert rendered(python, [("{{ x }}", False, 2)], tmp_path) == [["2"], 1]


def test_templates_of_the_past_do_not_pile_up(python: str, tmp_path: Path) -> None:
    rendered(python, [("{{ x }}", False, 1), ("old {{ x }}", False, 1)], tmp_path)
    rendered(python, [("new {{ x }}", False, 1)], tmp_path, most=2)
    assert rendered(python, [("{{ x }}", False, 1), ("new {{ x }}", False, 1)], tmp_path)[1] == 1


@pytest.mark.parametrize(
    ("differs", "believed"),
    [
        ({}, [True, True, True]),
        ({"ActiveState": "failed"}, [True, False, True]),
        ({"Enabled": "disabled"}, [True, True, False]),
        ({"NeedDaemonReload": "yes"}, [False, False, True]),
        ({"LoadState": "masked"}, [False, False, True]),
    ],
)
def test_only_good_news_of_units_are_believed(python: str, differs: dict[str, str], believed: list[bool]) -> None:
    units = {"known": {**WELL, **differs}, "other": {key: value for key, value in WELL.items() if key != "Enabled"}}
    told = run(python, "dry_run", UNITS % units)
    assert told == {"known": believed, "other": [True, True, False], "strange": [False] * 3}
