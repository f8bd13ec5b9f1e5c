"""What systemd says of units now: asked one by one, or of many at once where a run has many questions."""

_KEYS = (
    "ActiveState",
    "LoadState",
    "NeedDaemonReload",
    "ExecMainStartTimestampMonotonic",
    "StateChangeTimestampMonotonic",
)
_ASKED = "utopia_units"  # key of what `ask` was told, in the context of a run


def show(name):
    """The unit's properties, as words: those that `ask` was told in this run, else today's.

    CLI Example: salt '*' units.show zookeeper
    """
    return __context__.get(_ASKED, {}).get(name) or _show([name])[name]


def stale(names):
    """Those of these units whose files are not what systemd has read.

    CLI Example: salt '*' units.stale '[log-canary.service]'
    """
    return [name for name, unit in _show(names).items() if unit["NeedDaemonReload"] == "yes"]


def ask(names):
    """Ask for all these units in two questions; from then on `show` answers for them in this run.

    A dry run asks some ninety times otherwise, each time with a process of its own. Whether a unit is enabled is
    asked for separately: systemd remembers what `systemctl show` tells of that, and misses links that were removed.

    CLI Example: salt '*' units.ask '[zookeeper, docker]'
    """
    units = _show(names) if names else {}
    if names:
        said = __salt__["cmd.run_stdout"](
            ["systemctl", "is-enabled", *names], python_shell=False, ignore_retcode=True
        ).splitlines()
        if len(said) == len(names):  # one that does not exist is told on stderr
            for name, state in zip(names, said, strict=True):
                units[name]["Enabled"] = state
    __context__[_ASKED] = units
    return units


def _show(names):
    command = ["systemctl", "show", "--property", ",".join(("Id", *_KEYS)), *names]
    blocks = __salt__["cmd.run_stdout"](command, python_shell=False).strip().split("\n\n")
    return {
        name: dict(line.split("=", 1) for line in block.splitlines()) for name, block in zip(names, blocks, strict=True)
    }
