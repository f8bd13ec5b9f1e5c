"""Who may touch a part of ZooKeeper."""


def protected(name, user, secret):
    """Make the node `name`, readable by all and writable by `user` alone (password: pillar secret `secret`)."""
    ret = {"name": name, "result": True, "comment": f"only {user} may change it", "changes": {}}
    try:
        found = __salt__["znode.acl"](name, user, secret)
        if found == __salt__["znode.protection"](user, secret):
            return ret
        if __opts__["test"]:
            return {**ret, "result": None, "comment": f"{name} would be made writable by {user} alone"}
        __salt__["znode.protect"](name, user, secret)
    except OSError as error:
        if __opts__["test"]:
            return {**ret, "result": None, "comment": f"not known yet: {error}"}
        return {**ret, "result": False, "comment": f"{name}: {error}"}
    # Digests stay out of the return: it is kept by the master.
    before = "nothing" if found is None else "another access control list"
    return {**ret, "changes": {"before": before, "after": f"writable by {user} alone"}}
