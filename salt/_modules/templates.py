"""Compiled templates, kept from run to run: what compiling them costs is a fifth of a run of states that hold.

A template is known by all that it is compiled from, its text first. What it renders to is never kept. Nobody but root
reads or writes the file, as with Salt's modules beside it.
"""

import contextlib
import hashlib
import importlib.util
import marshal
from pathlib import Path

import jinja2
import salt.version

FILE = "utopia-templates"  # in the minion's cache
MOST = 1000  # templates; with more than these, those of the last run alone are kept
_VERSIONS = (salt.version.__version__, jinja2.__version__, importlib.util.MAGIC_NUMBER)
_DIGEST_BYTES = 32


def kept():
    """A context in which Jinja compiles no template of an earlier run again: `with __salt__["templates.kept"]():`."""
    return _compiling_once(Path(__opts__["cachedir"], FILE))


@contextlib.contextmanager
def _compiling_once(path):
    """Takes the place of jinja2.Environment.compile, in this process alone: a job is one."""
    compile_anew, known = jinja2.Environment.compile, _read(path)
    used = {}

    def compiled(environment, source, name=None, filename=None, **how):
        if how or not isinstance(source, str):
            return compile_anew(environment, source, name, filename, **how)
        key = _key(environment, source, name, filename)
        if key not in used:
            used[key] = known.get(key) or compile_anew(environment, source, name, filename)
        return used[key]

    jinja2.Environment.compile = compiled
    try:
        yield
    finally:
        jinja2.Environment.compile = compile_anew
        if used.keys() - known.keys():
            _write(path, {**known, **used} if len(known) < MOST else used)


def _key(environment, source, *names):
    """Of the environment: whatever differs between two of Salt's that are not the same."""
    settings = [(key, value) for key, value in vars(environment).items() if isinstance(value, str | bool)]
    kind = (type(environment).__qualname__, sorted(settings), sorted(environment.extensions))
    return hashlib.sha256(repr((_VERSIONS, kind, names, source)).encode()).digest()


def _read(path):
    try:
        file = path.read_bytes()
    except OSError:
        return {}
    content = file[_DIGEST_BYTES:]
    whole = hashlib.sha256(content).digest() == file[:_DIGEST_BYTES]
    return marshal.loads(content) if whole else {}  # noqa: S302 - root's own file


def _write(path, templates):
    content = marshal.dumps(templates)
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_bytes(hashlib.sha256(content).digest() + content)
    new.replace(path)
