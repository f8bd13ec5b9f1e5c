"""A dry run of all states of this node: the check of `state.apply test=True` for a fifth of its cost.

Each state is rendered anew from what the master serves and the pillar it compiles now, and is asked of the machine.
"""

import functools


def states(sums, token=""):
    """Check every state of this node's components: state -> result, changes, comment.

    `sums`: path -> SHA-256 of all files the master serves (module served). A list of lines instead of a mapping says
    why nothing was checked.
    `token`: stands for these files and the pillar; where all states hold, the node is sealed with it (module seal),
    or the key `unsealed` says why it cannot be.

    CLI Example: salt '*' dry_run.states '{}'
    """
    conflict = __salt__["states.running"]()
    if conflict:
        return conflict
    with __salt__["templates.kept"](), __salt__["served.highstate"](sums, test=True) as highstate:
        pillar, functions = highstate.opts["pillar"], highstate.state.functions
        witness = functions["seal.witness"](functions)
        high, errors = highstate.render_highstate({"base": list(pillar["components"])})
        errors = errors or pillar.get("_errors")
        if not errors:
            witness.before(high, _ask_of_units_at_once(high, functions))
            found = highstate.state.call_high(high)
            unsealed = witness.seal(token, pillar) if _hold(found) else ""
    if errors or not isinstance(found, dict):
        return [str(line) for line in errors or found]
    wanted = ("result", "changes", "comment")
    answer = {key: {name: state.get(name) for name in wanted} for key, state in found.items()}
    return {**answer, "unsealed": unsealed} if unsealed else answer


def _hold(found):
    """Whether every state does, and no service waits for a restart."""
    if not found or not isinstance(found, dict):
        return False
    return all(
        state.get("result") is True
        and not state.get("changes")
        and not (key.startswith("restart_|-") and key.endswith("_|-pending") and state.get("comment") == "pending")
        for key, state in found.items()
    )


def _ask_of_units_at_once(high, functions):
    """Salt's `service` asks systemd eight times for each unit: let it believe what is well from this answer for all.

    A unit that is not, or is not known, it asks itself.
    """
    bodies = [body.get(kind, ()) for body in high.values() if isinstance(body, dict) for kind in ("service", "restart")]
    names = {line["name"] for lines in bodies for line in lines if isinstance(line, dict) and "name" in line}
    units = functions["units.ask"](sorted(names))

    def as_on_disk(unit):
        return unit["LoadState"] == "loaded" and unit["NeedDaemonReload"] == "no"

    well = {
        "service.available": as_on_disk,
        "service.status": lambda unit: as_on_disk(unit) and unit["ActiveState"] in ("active", "reloading"),
        "service.enabled": lambda unit: unit.get("Enabled") == "enabled",
    }
    functions["service.status"]  # loads them all
    for function, holds in well.items():
        functions[function] = _believed(functions._dict[function], units, holds)
    return units


def _believed(ask, units, holds):
    @functools.wraps(ask)
    def answer(name, *args, **kwargs):
        return True if name in units and holds(units[name]) else ask(name, *args, **kwargs)

    return answer
