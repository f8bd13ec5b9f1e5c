"""A seal: what a dry run that found every state to hold looked at on this node, and how it was.

While the files of the states, the pillar and all of that are the same, another dry run would say the same, and need
not be done. What is kept of files is what changes whenever somebody writes to them; of services and units, what they
answered. A state that looks at anything else leaves its node without a seal, and so with a dry run every time.
"""

import contextlib
import functools
import hashlib
import json
import os
import stat
import time
from pathlib import Path

FILE = "utopia-seal"  # in the minion's cache, for root alone
GOOD_FOR = 24 * 3600  # seconds; a dry run a day, whatever this module overlooks
# State module -> its functions that look at nothing but what is kept here; None: all of them, they are ours.
KNOWN = {
    "apt_key": None,
    "archive": ("extracted",),
    "cmd": ("run",),  # as far as it is run for a change alone
    "elasticsearch": None,
    "engine": None,
    "file": ("absent", "directory", "exists", "managed", "replace", "symlink"),
    "group": ("present",),
    "machine": None,
    "once": None,
    "pinned": None,
    "pkg": ("installed",),
    "readiness": None,
    "restart": None,
    "service": ("running",),
    "units": None,
    "user": ("present",),
    "znode": None,
}
# Functions by which our states and templates look at something else than files and units.
ASKED = (
    "elasticsearch.call",
    "elasticsearch.may_form",
    "engine.has_image",
    "machine.java_heap",
    "machine.naming_faults",
    "machine.swap_areas",
    "machine.task_resources",
    "readiness.others",
    "readiness.probe",
    "znode.acl",
    "znode.exists",
)
_BLIND = ("check_cmd", "clean", "creates", "onlyif", "recurse", "unless")  # these look at more than can be kept
_PATHS = ("files", "if_missing", "mark", "name", "names", "source", "target")  # arguments that may name a path
_ALWAYS = ("/etc/group", "/etc/gshadow", "/etc/passwd", "/etc/shadow", "/var/lib/dpkg/status")
_OF_UNITS = ("service", "restart")
_TIMES = ("ExecMainStartTimestampMonotonic", "StateChangeTimestampMonotonic")  # only `restart` looks at these


def intact(token):
    """Whether a dry run of what `token` stands for would still find every state to hold.

    CLI Example: salt '*' seal.intact 0123
    """
    seal = _read()
    if not token or seal.get("token") != token or not 0 <= time.time() - seal["made"] < GOOD_FOR:
        return False
    units = seal["units"]
    if _stamps(seal["paths"]) != seal["paths"] or _of_interest(units, __salt__["units.ask"](sorted(units))) != units:
        return False
    return all(_same(*answer) for answer in seal["answers"])


def witness(functions):
    """Looks on while states are checked with these functions; see `Witness`."""
    return Witness(functions)


class Witness:
    """Keeps what a run of states asks. `before` comes when the states are known, `seal` when they have been checked."""

    def __init__(self, functions):
        self._functions = functions
        self._answers = {}
        self._asking = self._missed = False
        self._unknown, self._services, self._paths, self._units = set(), set(), {}, {}
        for name in ASKED:
            functions[name]  # loads it
            functions[name] = self._witnessed(name, functions._dict[name])

    def before(self, high, units):
        """What these rendered states look at is noted before they do. `units`: what `units.ask` said of theirs."""
        self._unknown = {f"{chunk[0]}.{chunk[1]}" for chunk in _chunks(high) if not _is_known(chunk)}
        self._services = {given["name"] for module, _, given in _chunks(high) if module == "readiness"}
        self._paths = _stamps(sorted({*_ALWAYS, *_paths_of(high)}))
        self._units = _of_interest(_units_of(high), units)

    def seal(self, token, pillar):
        """Call this only when every state holds. "" when the node is sealed, else why it cannot be."""
        Path(__opts__["cachedir"], FILE).unlink(missing_ok=True)
        answers = [[*json.loads(call), digest] for call, digest in self._answers.items()]
        doubt = self._doubt(answers)
        if not token or doubt:
            return doubt or "nothing stands for the files and the pillar"
        kept = {"paths": self._paths, "units": self._units, "answers": answers}
        _write({"token": token, "made": time.time(), **kept})
        if pillar != __opts__.get("pillar"):  # what is asked again is asked with what the minion knows by itself
            self._functions["saltutil.refresh_pillar"](wait=False)
        return ""

    def _doubt(self, answers):
        """Something was unknown, or changed meanwhile; "" otherwise."""
        if self._unknown:
            return f"nobody knows what {', '.join(sorted(self._unknown))} look at"
        if self._missed:
            return "a question had no answer that can be kept"
        if twice := sorted({name for name, _args, _kwargs, digest in answers if digest is None}):
            return f"{', '.join(twice)} gave two answers to one question"
        # A run in which a service was asked past us was not witnessed: this leans on how Salt loads its functions.
        if unseen := self._services - {
            args[0] for name, args, _kwargs, _digest in answers if name == "readiness.probe"
        }:
            return f"nobody saw {', '.join(sorted(unseen))} being asked"
        now = _stamps(self._paths)
        if moved := [path for path in now if now[path] != self._paths[path]]:
            return f"{', '.join(moved)} changed meanwhile"
        return ""

    def _witnessed(self, name, ask):
        @functools.wraps(ask)
        def answered(*args, **kwargs):
            if self._asking:  # by another of these: what that one answers is enough
                return ask(*args, **kwargs)
            self._asking, missed, self._missed = True, self._missed, True  # until it is kept
            try:
                answer = ask(*args, **kwargs)
            finally:
                self._asking = False
            with contextlib.suppress(TypeError):  # not JSON: it cannot be asked again, so there will be no seal
                call = json.dumps([name, args, kwargs])
                digest = _digest(name, answer)
                self._answers[call] = digest if self._answers.get(call, digest) == digest else None
                self._missed = missed
            return answer

        return answered


def _same(name, args, kwargs, digest):
    try:
        return _digest(name, __salt__[name](*args, **kwargs)) == digest
    except Exception:
        return False  # what cannot be asked is not as it was; the dry run says why


def _digest(name, answer):
    """Not the answer itself: it may hold what is nobody's business."""
    if name == "readiness.probe":
        answer = [answer["ready"], answer["mode"]]  # its words tell numbers that come and go
    return hashlib.sha256(json.dumps(answer, sort_keys=True).encode()).hexdigest()


def _chunks(high):
    """(module, function, arguments) of each state of rendered `high` data."""
    for name, body in high.items():
        if not isinstance(body, dict):
            continue
        for module, lines in body.items():
            if not module.startswith("__") and isinstance(lines, list):
                given = {key: value for line in lines if isinstance(line, dict) for key, value in line.items()}
                function = next((line for line in lines if isinstance(line, str)), "")
                yield module, function, {"name": name, **given}


def _is_known(chunk):
    module, function, arguments = chunk
    if module not in KNOWN or (KNOWN[module] is not None and function not in KNOWN[module]):
        return False
    if module == "cmd" and "onchanges" not in arguments:
        return False
    if module == "file":  # asks that of a new content alone
        arguments = {key: value for key, value in arguments.items() if key != "check_cmd"}
    return not any(arguments.get(key) for key in _BLIND)


def _paths_of(high):
    for _module, _function, arguments in _chunks(high):
        for key in _PATHS:
            values = arguments.get(key) or []
            for value in [values] if isinstance(values, str) else values:
                if isinstance(value, str) and value.startswith("/"):
                    yield value


def _units_of(high):
    """Unit -> the modules that look at it, in the order of _OF_UNITS."""
    units = {}
    for module, _function, arguments in _chunks(high):
        if module in _OF_UNITS:
            units.setdefault(arguments["name"], {})[module] = True
    return {unit: {"by": [module for module in _OF_UNITS if module in by]} for unit, by in units.items()}


def _of_interest(known, found):
    """The same units with what systemd says of them now, as far as somebody looks at it."""
    said = {}
    for unit, before in known.items():
        times = "restart" in before["by"]
        now = {key: value for key, value in found.get(unit, {}).items() if times or key not in _TIMES}
        said[unit] = {"by": before["by"], **now}
    return said


def _stamps(paths):
    return {path: _stamp(path) for path in paths}


def _stamp(path):
    """What changes with every write. A folder's times tell of the entries in it, which are no state's affair."""
    stamps = []
    for look in (os.lstat, os.stat):
        try:
            found = look(path)
        except OSError as error:
            stamps.append(type(error).__name__)
            continue
        owner = [found.st_mode, found.st_uid, found.st_gid]
        content = [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]
        stamps.append(owner if stat.S_ISDIR(found.st_mode) else owner + content)
        if not stat.S_ISLNK(found.st_mode):
            break
    return stamps


def _read():
    try:
        return json.loads(Path(__opts__["cachedir"], FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _write(seal):
    path = Path(__opts__["cachedir"], FILE)
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(json.dumps(seal), encoding="utf-8")
    new.replace(path)
