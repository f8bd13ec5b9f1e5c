"""The life of an Elasticsearch cluster: its first formation, restarts that move no data, how indices are made."""

import json
import time
from pathlib import Path

FORMED = "/elasticsearch-formed"
_ALLOCATION = "cluster.routing.allocation.enable"
_UNDER_WAY = (
    *("initializing_shards", "delayed_unassigned_shards"),
    *("number_of_in_flight_fetch", "number_of_pending_tasks"),
)
_QUIET = 4  # looks, half a second apart, at which nothing was under way
_ANYWAY = "`bootstrap status` says what is wrong; --restart-anyway elasticsearch restarts it as it is"


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


def held(name, seconds, anyway=False):
    """Keep shards where they are while service `name` is restarted, if it is marked for that.

    A cluster that is not green gets `seconds` for what is under way, and then is refused: a restart would take more
    copies of its data away. `anyway`: somebody decided otherwise.
    """
    if not _marked(name):
        return _result(name, True, "no restart is due")
    if __opts__["test"]:
        return _result(name, None, "shards would be held where they are")
    try:
        wrong = _hold(seconds, anyway)
    except OSError as error:
        wrong = "" if anyway else f"its members give no answer that a restart could be decided on: {error}. {_ANYWAY}"
    return _result(name, not wrong, wrong or "shards stay where they are", {} if wrong else {"allocation": "primaries"})


def released(name, seconds, anyway=False):
    """Let shards move again after service `name` was restarted, and wait until every copy is there again.

    `anyway`: as far as they come, where the cluster was not whole before.
    """
    if not _marked(name):
        return _result(name, True, "no restart was due")
    if __opts__["test"]:
        return _result(name, None, "shards would be let go")
    try:
        _allow(None)
        status = _settle(seconds) if anyway else _wait_green(seconds)
    except OSError as error:
        return _result(name, False, str(error))
    if status != "green" and not anyway:
        return _result(name, False, f"the cluster is still {status} after {seconds} s")
    return _result(name, True, f"shards may move, the cluster is {status}", {"allocation": "all"})


def settled(name, seconds):
    """Wait until nothing is under way: copies for a member that is new, or was away, take their time.

    Not a failure at the bound: much data takes longer, and `status` shows it.
    """
    if __opts__["test"]:
        return _result(name, True, "not waited for")
    try:
        return _result(name, True, f"the cluster is {_settle(seconds)}")
    except OSError as error:
        return _result(name, False, str(error))


def _marked(service):
    return Path("/var/lib/utopia/restart-needed", service).exists()


def _hold(seconds, anyway):
    if _held():
        _allow(None)  # by a roll that was cut short: what it took away comes back first
    status = _settle(seconds)
    if status != "green" and not anyway:
        return f"the cluster is {status}: a restart would take more copies of its data away. {_ANYWAY}"
    _allow("primaries")
    __salt__["elasticsearch.call"]("POST", "/_flush")
    return ""


def _held():
    settings = __salt__["elasticsearch.call"]("GET", "/_cluster/settings?flat_settings=true")
    return settings["persistent"].get(_ALLOCATION) == "primaries"


def _settle(seconds):
    """The cluster's status when it is green, or when nothing is under way that could still make it so."""
    quiet = 0

    def settled(health):
        nonlocal quiet
        quiet = 0 if any(health[key] for key in _UNDER_WAY) else quiet + 1
        return quiet > _QUIET

    return _wait(seconds, settled)


def _wait_green(seconds):
    return _wait(seconds, lambda _health: False)


def _wait(seconds, enough):
    """The status when it is green, when `enough(health)`, or at the bound. Other runs of states go on meanwhile."""
    deadline = time.monotonic() + seconds
    health = __salt__["elasticsearch.call"]("GET", "/_cluster/health")
    if health["status"] == "green":
        return "green"
    __salt__["states.step_aside"]()
    try:
        while health["status"] != "green" and not enough(health) and time.monotonic() < deadline:
            time.sleep(0.5)
            health = __salt__["elasticsearch.call"]("GET", "/_cluster/health")
    finally:
        __salt__["states.step_back"]()
    return health["status"]


def _allow(shards):
    __salt__["elasticsearch.call"]("PUT", "/_cluster/settings", {"persistent": {_ALLOCATION: shards}})


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


def repository(name, type, settings):
    """The snapshot repository `name`, which every member must be able to write to. No `type`: none is wanted.

    One that is not wanted any more is left as it is: there may be snapshots in it.
    """
    if not type:
        return _result(name, True, "snapshots go nowhere")
    wanted = {"type": type, "settings": settings}
    path = f"/_snapshot/{name}"
    try:
        found = __salt__["elasticsearch.call"]("GET", path)
        if found and _holds(found[name], json.loads(json.dumps(wanted), parse_int=str, parse_float=str)):
            return _result(name, True, "as described")
        if __opts__["test"]:
            return _result(name, None, "would be registered")
        __salt__["elasticsearch.call"]("PUT", path, wanted)
    except OSError as error:
        return _result(name, None if __opts__["test"] else False, str(error))
    return _result(name, True, "registered", {name: "registered"})


def _holds(found, wanted):
    """Whether `found` has everything of `wanted`; the server adds keys of its own."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(key in found and _holds(found[key], wanted[key]) for key in wanted)
    return found == wanted


def _result(name, result, comment, changes=None):
    return {"name": name, "result": result, "comment": comment, "changes": changes or {}}
