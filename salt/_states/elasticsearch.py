"""The life of an Elasticsearch cluster: its first formation, restarts that move no data, how indices are made."""

import json
import time
from pathlib import Path

FORMED = "/elasticsearch-formed"


def forming(name):
    """Let the members of the topology elect the first master, if there has never been a cluster.

    `name`: an environment file of the unit. Where there was a cluster it is removed, so that a member that
    comes back alone can never form a second one.
    """
    path = Path(name)
    try:
        members = sorted(__pillar__["elasticsearch"]["members"]) if __salt__["elasticsearch.may_form"]() else []
    except OSError as error:
        if __opts__["test"]:
            return _result(name, None, f"not known yet: {error}")
        return _result(name, False, f"whether there has been a cluster is kept in ZooKeeper: {error}")
    text = f"FORMING=-Ecluster.initial_master_nodes={','.join(members)}\n" if members else ""
    found = path.read_text(encoding="utf-8") if path.exists() else ""
    if found == text:
        return _result(name, True, "may form a cluster" if text else "there has been a cluster")
    if __opts__["test"]:
        return _result(name, None, "would be written" if text else "would be removed")
    if text:
        path.write_text(text, encoding="utf-8")
    else:
        path.unlink()
    return _result(name, True, "written" if text else "removed", {"forming": ", ".join(members) or "never again"})


def formed(name):
    """Remember in ZooKeeper that there is a cluster, and never let this member form one again."""
    path = Path(name)
    if not path.exists():
        return _result(name, True, "there is a cluster")
    if __opts__["test"]:
        return _result(name, None, "would be remembered")
    try:
        __salt__["znode.protect"](FORMED, "elasticsearch", "zookeeper-elasticsearch")
    except OSError as error:
        return _result(name, False, f"could not be kept in ZooKeeper: {error}")
    path.unlink()
    return _result(name, True, "remembered", {"forming": "never again"})


def allocation(name, while_marked, wait_green=0):
    """Which shards may be placed ("all" or "primaries") while service `while_marked` waits for its restart.

    `wait_green`: seconds until every copy must be there again; a cluster that was not whole is not made less so.
    """
    if not Path("/var/lib/utopia/restart-needed", while_marked).exists():
        return _result(name, True, "no restart is due")
    if __opts__["test"]:
        return _result(name, None, f"allocation would be set to {name}")
    try:
        wrong = _hold(name) if not wait_green else _release(wait_green)
    except OSError as error:
        wrong = str(error)
    if wrong:
        return _result(name, False, wrong)
    return _result(name, True, f"allocation is {name}", {"allocation": name})


def _hold(allowed):
    status = _status()
    if status != "green":
        return f"the cluster is {status}: a restart would take away more copies of its data"
    _allow(allowed)
    __salt__["elasticsearch.call"]("POST", "/_flush", timeout=60)
    return ""


def _release(seconds):
    _allow(None)
    deadline = time.monotonic() + seconds
    while (status := _status()) != "green":
        if time.monotonic() > deadline:
            return f"the cluster is still {status} after {seconds} s"
        time.sleep(0.5)
    return ""


def _allow(shards):
    body = {"persistent": {"cluster.routing.allocation.enable": shards}}
    __salt__["elasticsearch.call"]("PUT", "/_cluster/settings", body)


def template(name, source, context):
    """The composable index template `name`, as the rendered JSON file `source` says."""
    text = __salt__["cp.get_template"](source, "", context=context)
    wanted = json.loads(Path(text).read_text(encoding="utf-8"))
    try:
        found = __salt__["elasticsearch.call"]("GET", f"/_index_template/{name}")
    except OSError as error:
        return _result(name, None if __opts__["test"] else False, str(error))
    if found and _holds(found["index_templates"][0]["index_template"], wanted):
        return _result(name, True, "as described")
    if __opts__["test"]:
        return _result(name, None, "would be described anew")
    try:
        __salt__["elasticsearch.call"]("PUT", f"/_index_template/{name}", wanted)
    except OSError as error:
        return _result(name, False, str(error))
    return _result(name, True, "described", {name: "described"})


def _holds(found, wanted):
    """Whether `found` has everything of `wanted`; the server adds keys of its own."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(key in found and _holds(found[key], wanted[key]) for key in wanted)
    return found == wanted


def _status():
    health = __salt__["elasticsearch.call"]("GET", "/_cluster/health")
    return health["status"]


def _result(name, result, comment, changes=None):
    return {"name": name, "result": result, "comment": comment, "changes": changes or {}}
