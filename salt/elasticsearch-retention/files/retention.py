#!/usr/bin/python3
# managed by Salt - edit salt/elasticsearch-retention/files/retention.py
"""Deletes the oldest log indices: those past their days, and as many as it takes to keep disks below their bounds.

Runs on every member from a timer; the elected master's acts. Afterwards indices that a full disk had closed to
writers are opened again, where there is room. `--dry-run` says what would be done.
"""

import base64
import datetime
import http.client
import json
import re
import ssl
import sys
from collections import namedtuple
from pathlib import Path

FOLDER = Path("/etc/elasticsearch-retention")
CA = "/etc/utopia/ca.crt"
TIMEOUT = 60
UNITS = {"b": 1, "kb": 2**10, "mb": 2**20, "gb": 2**30, "tb": 2**40, "pb": 2**50}
BLOCK = "index.blocks.read_only_allow_delete"

Index = namedtuple("Index", "name day sizes")  # sizes: node -> bytes of its shards there
# `low` and `flood`: bytes that must be available for shards to be placed, and for lines to be taken.
Disk = namedtuple("Disk", "total available low flood")


class RefusedError(Exception):
    """The server answered, and not with what was asked for."""


class Server:
    """This node's member."""

    def __init__(self, address, port, password):
        self._address, self._port = address, port
        login = base64.b64encode(f"retention:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}

    def ask(self, method, path, body=None):
        """The JSON answer. Raises RefusedError, and OSError when the member gives none."""
        context = ssl.create_default_context(cafile=CA)
        connection = http.client.HTTPSConnection(self._address, self._port, timeout=TIMEOUT, context=context)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), self._headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except http.client.HTTPException as error:
            raise OSError(f"{type(error).__name__} {error}") from error
        finally:
            connection.close()
        if answer.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
            raise OSError(f"{method} {path}: no master is elected")
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise RefusedError(f"{method} {path}: HTTP {answer.status} {text[:500]}")
        return json.loads(text)


def leads(server):
    """Whether this node's member is the elected master."""
    master = server.ask("GET", "/_cluster/state/master_node?local=true").get("master_node")
    return master in server.ask("GET", "/_nodes/_local?filter_path=nodes.*.name")["nodes"]


def indices(server, prefix):
    """The dated indices, the oldest first. What has no date in its name is not ours to delete."""
    dated = re.compile(re.escape(prefix) + r"-(\d{4})[-.](\d\d)[-.](\d\d)")
    sizes = {}
    for row in server.ask("GET", f"/_cat/shards/{prefix}-*?format=json&bytes=b&h=index,node,store"):
        if row["node"]:
            nodes = sizes.setdefault(row["index"], {})
            node = row["node"].split()[0]
            nodes[node] = nodes.get(node, 0) + int(row["store"] or 0)
    found = []
    path = f"/_cat/indices/{prefix}-*?format=json&h=index,creation.date&expand_wildcards=open,closed"
    for row in server.ask("GET", path):
        name = dated.fullmatch(row["index"])
        made = datetime.datetime.fromtimestamp(int(row["creation.date"]) / 1000, datetime.UTC).date()
        day = date(*name.groups()) if name else None
        if day:  # a line from a clock that was ahead must not be kept for longer
            found.append(Index(row["index"], min(day, made), sizes.get(row["index"], {})))
    return sorted(found, key=lambda index: (index.day, index.name))


def date(year, month, day):
    """The day, None where there is no such day."""
    try:
        return datetime.date(int(year), int(month), int(day))
    except ValueError:
        return None


def disks(server):
    """Node -> the disk of its member."""
    marks = watermarks(server.ask("GET", "/_cluster/settings?include_defaults=true&flat_settings=true"))
    found = server.ask("GET", "/_nodes/stats/fs?filter_path=nodes.*.name,nodes.*.fs.total")
    answer = {}
    for node in found["nodes"].values():
        total, available = node["fs"]["total"]["total_in_bytes"], node["fs"]["total"]["available_in_bytes"]
        answer[node["name"]] = Disk(total, available, *(must_be_free(*mark, total) for mark in marks))
    return answer


def watermarks(settings):
    """(value, max_headroom) of the low watermark and of the flood stage, as they are in force."""
    known = {**settings.get("defaults", {}), **settings.get("persistent", {}), **settings.get("transient", {})}
    prefix = "cluster.routing.allocation.disk.watermark"
    return [(known[f"{prefix}.{mark}"], known.get(f"{prefix}.{mark}.max_headroom")) for mark in ("low", "flood_stage")]


def must_be_free(value, headroom, total):
    """Bytes that a watermark wants available: "85%" or "0.85" of the disk used, or "50gb" available."""
    if value[-1:].isalpha():
        return size(value)
    share = float(value.rstrip("%")) / (100 if value.endswith("%") else 1)
    free = int(total * (1 - share))
    return min(free, size(headroom)) if headroom and headroom != "-1" else free


def size(text):
    """ "100GB" -> bytes."""
    number, unit = re.fullmatch(r"([\d.]+)([a-z]+)", text.lower()).groups()
    return int(float(number) * UNITS[unit])


def doomed(found, nodes, settings, today):
    """What has to go: [(index, why)], the oldest first.

    A disk that other things have filled so far that all the indices could not make room costs no index.
    """
    oldest = today - datetime.timedelta(days=settings["days"])
    gone = [(index, f"older than {settings['days']} days") for index in found if index.day < oldest]
    left = [index for index in found if index.day >= oldest]
    spare = left[: len(left) - settings["keep"]] if settings["keep"] else left
    excess = {}
    for node, disk in nodes.items():
        own = taken(left, node)
        bound = disk.total * settings["disk_share"] // 100
        short = disk.low - disk.available - taken([index for index, _ in gone], node)
        if own > bound:
            excess[node] = (own - bound, f"log indices take more than {settings['disk_share']}% of {node}'s disk")
        if short > excess.get(node, (0,))[0] and short <= taken(spare, node):
            excess[node] = (short, f"{node}'s disk is above the low watermark")
    for index in spare:
        over = [why for node, (much, why) in excess.items() if much > 0 and index.sizes.get(node)]
        if over:
            gone.append((index, over[0]))
            excess = {node: (much - index.sizes.get(node, 0), why) for node, (much, why) in excess.items()}
    return gone


def taken(found, node):
    """Bytes that indices take on a node."""
    return sum(index.sizes.get(node, 0) for index in found)


def blocked(server, prefix):
    """Indices that a full disk has closed to writers."""
    answer = server.ask("GET", f"/{prefix}-*/_settings/index.blocks.*?flat_settings=true")
    return sorted(name for name, index in answer.items() if index["settings"].get(BLOCK) == "true")


def main(arguments):
    """One look at the cluster; what was done goes to the journal."""
    dry = arguments == ["--dry-run"]
    settings = json.loads((FOLDER / "config.json").read_text(encoding="utf-8"))
    password = (FOLDER / "retention-password").read_text(encoding="utf-8").strip()
    server = Server(settings["address"], settings["port"], password)
    try:
        if dry or leads(server):
            enforce(server, settings, dry)
    except OSError as error:
        print(f"nothing done, the member of this node gives no answer: {error}")  # another look comes by itself
    except RefusedError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def enforce(server, settings, dry):
    """Delete what has to go, then open what is closed and has room."""
    found = indices(server, settings["prefix"])
    today = datetime.datetime.now(datetime.UTC).date()
    for index, why in doomed(found, disks(server), settings, today):
        if not dry:
            server.ask("DELETE", f"/{index.name}")
        print(f"{'would delete' if dry else 'deleted'} {index.name}: {why}")
    closed = blocked(server, settings["prefix"])
    if not closed:
        return
    full = sorted(node for node, disk in disks(server).items() if disk.available < disk.flood)
    if full:
        print(f"{', '.join(closed)} take no lines: the flood stage is reached on {', '.join(full)}")
        return
    for name in closed:
        if not dry:
            server.ask("PUT", f"/{name}/_settings", {BLOCK: None})
        print(f"{'would open' if dry else 'opened'} {name} to writers again: there is room")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
