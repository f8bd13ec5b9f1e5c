"""What must be true of a machine before anything is put on it."""


def named(name, address):
    """Fail unless this machine is called `name` and the name resolves to `address`, not to loopback."""
    faults = __salt__["machine.naming_faults"](name, address)
    # A dry run may come before the hosts file is there: nothing to fail for yet.
    result = (None if __opts__["test"] else False) if faults else True
    comment = "; ".join(faults) or f"{name} is {address}"
    return {"name": name, "result": result, "comment": comment, "changes": {}}


def without_swap(name):
    """Switch every swap area off; what brings it back after a boot is another state's affair.

    Not `cmd.run` with `onlyif`: its first check costs half a second in every run.
    """
    areas = __salt__["machine.swap_areas"]()
    if not areas:
        return {"name": name, "result": True, "comment": "no swap", "changes": {}}
    if __opts__["test"]:
        return {"name": name, "result": None, "comment": f"{', '.join(areas)} would be switched off", "changes": {}}
    done = __salt__["cmd.run_all"](["swapoff", "--all"], python_shell=False)
    if done["retcode"]:
        return {"name": name, "result": False, "comment": f"swapoff: {done['stderr']}", "changes": {}}
    return {"name": name, "result": True, "comment": "switched off", "changes": {"swap": f"off: {', '.join(areas)}"}}
