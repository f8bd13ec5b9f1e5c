"""Runs on a node, with nothing but Python's own library: reads facts, changes nothing, prints one JSON document.

Sent over SSH as text, after a line `ORDER = {...}`: paths, names, address, modules, packages, listen, connect, seconds.
A part that fails is told under "failed" and leaves the others alone.
"""

import functools
import glob
import json
import os
import platform
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

Facts = dict[str, Any]  # spelled for any Python 3.7 or later, as a host may have
Processes = dict[int, tuple[str, str]]
STARTED = time.monotonic()
NOTEWORTHY = ("salt-minion", "salt-master", "dockerd", "containerd", "mesos-master", "mesos-agent", "mesos-slave")
CONNECT_SECONDS = 0.7
LOOKUP_SECONDS = 0.8
ORDER: Facts = globals().get("ORDER", {})


def text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def number(path: str) -> int:
    return int(text(path).split()[0])


def system() -> Facts:
    fields = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text("/etc/os-release"), re.MULTILINE))
    return {
        "id": fields.get("ID", ""),
        "version": fields.get("VERSION_ID", ""),
        "name": fields.get("PRETTY_NAME", ""),
        "machine": platform.machine(),
        "kernel": platform.release(),
        "init": text("/proc/1/comm").strip(),
        "python": platform.python_version(),
        "machine_id": text("/etc/machine-id").strip() if os.path.exists("/etc/machine-id") else "",
        "boot_id": text("/proc/sys/kernel/random/boot_id").strip(),
    }


def cgroups() -> Facts:
    root = "/sys/fs/cgroup"
    names = [os.path.basename(os.path.dirname(path)) for path in glob.glob(root + "/*/tasks")]
    return {
        "v1": sorted(part for name in names for part in name.split(",")),
        "v2": os.path.exists(root + "/cgroup.controllers"),
    }


def memory() -> Facts:
    found = dict(re.findall(r"^(\w+):\s+(\d+) kB", text("/proc/meminfo"), re.MULTILINE))
    return {"total": int(found["MemTotal"]) << 10, "swap": int(found.get("SwapTotal", 0)) << 10}


def limits() -> Facts:
    found = re.search(r"^Max open files\s+\S+\s+(\S+)", text("/proc/1/limits"), re.MULTILINE)
    hard = found.group(1) if found else "0"
    return {
        "open_files": int(hard) if hard.isdigit() else -1,
        "map_count": number("/proc/sys/vm/max_map_count"),
    }


def mounts() -> Iterator[tuple[str, Facts]]:
    for line in text("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        fields, kind = left.split(), right.split()
        shown = fields[4].replace("\\040", " ")
        yield shown, {"mount": shown, "options": fields[5].split(","), "type": kind[0], "device": fields[2]}


def within(path: str, mount: str) -> bool:
    return mount in ("/", path) or path.startswith(mount + "/")


def path_facts(path: str, table: list[tuple[str, Facts]]) -> Facts:
    there = path
    while not os.path.exists(there):
        there = os.path.dirname(there)
    real = os.path.realpath(there)
    mount = max((row for row in table if within(real, row[0])), key=lambda row: len(row[0]))[1]
    room = os.statvfs(real)
    entries = sorted(os.listdir(real))[:20] if there == path and os.path.isdir(real) else []
    return {
        **mount,
        "exists": there == path,
        "free": room.f_bavail * room.f_frsize,
        "total": room.f_blocks * room.f_frsize,
        "entries": [name for name in entries if name != "lost+found"],
    }


def paths() -> Facts:
    table = list(mounts())
    return {path: path_facts(path, table) for path in ORDER.get("paths", [])}


def processes() -> Processes:
    found = {}
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            words = text(folder + "/cmdline").split("\0")
            comm = text(folder + "/comm").strip()
        except OSError:
            continue
        found[int(os.path.basename(folder))] = (comm, " ".join(words).strip())
    return found


def noteworthy(running: Processes) -> list[str]:
    names = set()
    for comm, command in running.values():
        names |= {name for name in NOTEWORTHY if comm == name[:15] or re.search(r"(^|/)%s(\s|$)" % name, command)}
        if "QuorumPeerMain" in command:
            names.add("zookeeper")
        if "org.elasticsearch." in command:
            names.add("elasticsearch")
    return sorted(names)


def holders() -> dict[str, int]:
    """Inode of a socket -> process that has it."""
    found = {}
    for link in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            target = os.readlink(link)
        except OSError:
            continue
        if target.startswith("socket:["):
            found[target[8:-1]] = int(link.split("/")[2])
    return found


def listening(running: Processes) -> list[Facts]:
    held, rows = holders(), []
    for name, state in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        path = "/proc/net/" + name
        for line in text(path).splitlines()[1:] if os.path.exists(path) else []:
            fields = line.split()
            if fields[3] != state:
                continue
            host, _, port = fields[1].partition(":")
            pid = held.get(fields[9], 0)
            if pid == os.getpid():
                continue
            comm, command = running.get(pid, ("", ""))
            rows.append(
                {
                    "port": int(port, 16),
                    "protocol": name[:3],
                    "loopback": host == "0100007F"
                    or (host.endswith("01000000") and host.startswith("0000000000000000")),
                    "pid": pid,
                    "process": comm,
                    "command": command[:80],
                }
            )
    return rows


def addresses() -> list[str]:
    done = subprocess.run(["ip", "-o", "-4", "addr"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    found = re.findall(r"inet ([0-9.]+)", done.stdout.decode())
    return (
        found if found else [str(row[4][0]) for row in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    )


def names() -> Facts:
    """A name server that does not answer must not hold us up: who has not answered in time knows nothing."""
    own = socket.gethostname()
    wanted = list(dict.fromkeys([own, *ORDER.get("names", [])]))
    found: dict[str, list[str]] = {name: [] for name in wanted}
    back: list[str] = []

    def forward(name: str) -> None:
        found[name] = sorted({str(row[4][0]) for row in socket.getaddrinfo(name, None, socket.AF_INET)})

    def reverse() -> None:
        name, aliases, _ = socket.gethostbyaddr(ORDER.get("address", "127.0.0.1"))
        back.extend([name, *aliases])

    tasks: list[Callable[[], None]] = [reverse, *(functools.partial(forward, name) for name in wanted)]
    threads = [threading.Thread(target=_quietly, args=(task,), daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + LOOKUP_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return {"hostname": own, "forward": dict(found), "reverse": list(back)}


def _quietly(task: Callable[[], None]) -> None:
    try:
        task()
    except OSError:
        return  # no such name


def modules() -> dict[str, bool]:
    builtin, loaded = "", text("/proc/filesystems").split()
    if os.path.exists("/proc/modules"):
        loaded += [row.split()[0] for row in text("/proc/modules").splitlines()]
    folder = "/lib/modules/" + platform.release()
    for name in ("modules.builtin", "modules.dep"):
        if os.path.exists(os.path.join(folder, name)):
            builtin += text(os.path.join(folder, name))
    found = {}
    for name in ORDER.get("modules", []):
        there = name in loaded or os.path.isdir("/sys/module/" + name) or re.search(r"/%s\.ko" % name, builtin)
        found[name] = bool(there)
    return found


def packages() -> dict[str, str]:
    wanted = ORDER.get("packages", [])
    if not wanted:
        return {}
    command = ["dpkg-query", "-W", "-f=${Package} ${Version} ${db:Status-Abbrev}\n", *wanted]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    rows = [line.split() for line in done.stdout.decode().splitlines()]
    return {row[0]: row[1] for row in rows if len(row) > 2 and row[2].startswith("ii")}


def docker_version() -> str:
    try:
        command = ["dockerd", "--version"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"version v?([0-9]+(?:\.[0-9]+)*)", done.stdout.decode())
    return found.group(1) if found else "?"


def trusted_master() -> str:
    path = "/etc/salt/pki/minion/minion_master.pub"
    return text(path).strip() if os.path.exists(path) else ""


def listen() -> list[socket.socket]:
    """Something to answer on our ports that nobody holds yet, while the others try to reach them.

    Never on a machine that is set up: a service that restarts just now would find its port taken.
    """
    sockets: list[socket.socket] = []
    if trusted_master():
        return sockets
    for port in ORDER.get("listen", []):
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((ORDER["address"], port))
            server.listen(64)
        except OSError:
            server.close()
            continue
        sockets.append(server)
    return sockets


def reach(address: str, port: int, deadline: float) -> str:
    """open, refused, unreachable or silent. Refused is tried again: the other side may be about to listen.

    Once refused is refused, also by a firewall that says so only once in a second.
    """
    answer = ""
    while True:
        with socket.socket() as client:
            client.settimeout(CONNECT_SECONDS)
            try:
                client.connect((address, port))
                return "open"
            except ConnectionRefusedError:
                answer = "refused"
            except TimeoutError:
                return answer or "silent"
            except OSError:
                return answer or "unreachable"
        if time.monotonic() > deadline:
            return answer
        time.sleep(0.05)


def connect(found: dict[str, str]) -> list[threading.Thread]:
    deadline = STARTED + ORDER.get("seconds", 0)
    threads = []
    for address, port in ORDER.get("connect", []):

        def one(address: str = address, port: int = port) -> None:
            found["%s:%d" % (address, port)] = reach(address, port, deadline)

        threads.append(threading.Thread(target=one, daemon=True))
    for thread in threads:
        thread.start()
    return threads


def main() -> None:
    now = time.time()
    reached: dict[str, str] = {}
    failed: dict[str, str] = {}
    facts: Facts = {}
    waiting = listen()
    bound = [server.getsockname()[1] for server in waiting]
    threads = connect(reached)
    running = processes()
    parts: dict[str, Callable[[], Any]] = {
        "system": system,
        "cgroups": cgroups,
        "memory": memory,
        "limits": limits,
        "paths": paths,
        "listening": lambda: listening(running),
        "noteworthy": lambda: noteworthy(running),
        "addresses": addresses,
        "names": names,
        "modules": modules,
        "packages": packages,
        "docker": docker_version,
        "trusted_master": trusted_master,
    }
    for name, part in parts.items():
        try:
            facts[name] = part()
        except Exception as error:
            failed[name] = "%s: %s" % (type(error).__name__, error)
    for thread in threads:
        thread.join(ORDER.get("seconds", 0) + 2 * CONNECT_SECONDS)
    remaining = STARTED + ORDER.get("seconds", 0) - time.monotonic()
    if waiting and remaining > 0:
        time.sleep(remaining)
    answer = {"time": now, **facts, "own": {"bound": bound}, "reached": reached, "failed": failed}
    json.dump({**answer, "ended": time.time()}, sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # a thread that waits for a name server would be waited for


if __name__ == "__main__":
    main()
