"""Units that nobody restarts: a timer starts its service as systemd has read it, not as it is on disk."""


def reread(name, units):
    """Let systemd read these units again where their files are not what it knows. `name`: whose they are."""
    stale = __salt__["units.stale"](units)
    if not stale:
        return _result(name, True, "known as they are on disk")
    if __opts__["test"]:
        return _result(name, None, f"{', '.join(stale)} would be read again")
    __salt__["service.systemctl_reload"]()
    return _result(name, True, "read again", {"read again": ", ".join(stale)})


def _result(name, result, comment, changes=None):
    return {"name": name, "result": result, "comment": comment, "changes": changes or {}}
