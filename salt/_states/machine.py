"""What must be true of a machine before anything is put on it."""


def named(name, address):
    """Fail unless this machine is called `name` and the name resolves to `address`, not to loopback."""
    faults = __salt__["machine.naming_faults"](name, address)
    # A dry run may come before the hosts file is there: nothing to fail for yet.
    result = (None if __opts__["test"] else False) if faults else True
    comment = "; ".join(faults) or f"{name} is {address}"
    return {"name": name, "result": result, "comment": comment, "changes": {}}
