"""From a task's event to its first served request, by slots and by reloads; and what a request costs at the edge.

Prints milliseconds (p50, p99 of 200 events each) and requests per second through HAProxy and direct. Real HAProxy, the
router as a program, a Marathon that only serves documents. Exits 1 above the bounds.
"""

import asyncio
import multiprocessing
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/services/router")]

from router_lab import HOST, Edge, Marathon, Tasks, call, task, vhost  # noqa: E402 - after the path is known

EVENTS = 200
PAUSE = 0.12  # seconds between events: more than the router's coalescing, so that each one is a reading of its own
SLOT_BOUND, RELOAD_BOUND = 0.5, 5.0  # seconds, p99; far above what an idle machine shows
LOAD_SECONDS, CLIENTS = 5.0, 16


def until_served(edge, name):
    """Ask until the task of that name answers."""
    deadline = time.monotonic() + 20
    while True:
        answer = edge.get("bench.example")
        if answer.status == 200 and answer.json()["name"] == name:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"{name} is never served:\n{edge.log[-2000:]}")


def changes(edge, marathon, ports, *, structural):
    """Seconds from each event to the first request that the new task answered."""
    seconds = []
    names = list(ports)
    for number in range(EVENTS):
        name = names[number % len(names)]
        # Another balance or stickiness of the backend is something that only a reload can change.
        labels = {"HAPROXY_0_BALANCE": ("leastconn", "roundrobin")[number % 2]} if structural else {}
        started = time.perf_counter()
        marathon.put(vhost("/bench", "bench.example", [task(name, ports[name])], **labels))
        until_served(edge, name)
        if structural:
            while not edge.health()["applied"]:
                time.sleep(0.002)
        seconds.append(time.perf_counter() - started)
        time.sleep(PAUSE)
    return seconds


def row(name, seconds):
    """Print one line; the p99."""
    ordered = sorted(seconds)
    p99 = ordered[int(len(ordered) * 0.99) - 1]
    print(f"{name:<36}{statistics.median(ordered) * 1000:>10.1f}{p99 * 1000:>10.1f}{ordered[-1] * 1000:>10.1f}")
    return p99


def serve(ready, end):
    """A process of its own with the server that the load goes to."""
    tasks = Tasks()
    ready.put(tasks.start("load"))
    end.wait()


async def client(port, end, counts):
    """One connection that asks again as soon as it was answered."""
    reader, writer = await asyncio.open_connection(HOST, port)
    request = b"GET / HTTP/1.1\r\nHost: load.example\r\n\r\n"
    while time.monotonic() < end:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        counts["ok" if b" 200 " in head[:20] else "failed"] += 1
    writer.close()


def load(port):
    """Requests per second; fails when one was not answered well."""
    counts = {"ok": 0, "failed": 0}

    async def run():
        end = time.monotonic() + LOAD_SECONDS
        await asyncio.gather(*(client(port, end, counts) for _ in range(CLIENTS)))

    asyncio.run(run())
    if counts["failed"]:
        raise AssertionError(f"{counts['failed']} requests failed")
    return counts["ok"] / LOAD_SECONDS


def throughput(edge, marathon):
    """Print requests per second direct, through HAProxy, and the ratio."""
    context = multiprocessing.get_context("spawn")
    ready, end = context.Queue(), context.Event()
    process = context.Process(target=serve, args=(ready, end), daemon=True)
    process.start()
    port = ready.get(timeout=30)
    marathon.put(vhost("/load", "load.example", [task("load", port)]))
    while call(edge.http, host="load.example").status != 200:
        time.sleep(0.01)
    direct, through = load(port), load(edge.http)
    print(f"requests per second, {CLIENTS} connections: direct {direct:.0f}, through HAProxy {through:.0f}")
    print(f"ratio {through / direct:.2f} (client, server and HAProxy share this machine's processors)")
    end.set()
    process.join(5)


def main():
    """All of it."""
    tasks, marathon = Tasks(), Marathon()
    marathon.start()
    with tempfile.TemporaryDirectory() as folder:
        # Reloads are merged to one in 2 s; here each is made at once, to see what one takes.
        edge = Edge(Path(folder), marathon, {"reload_seconds": 0})
        try:
            edge.start()
            ports = {f"bench.{number}": tasks.start(f"bench.{number}") for number in range(4)}
            marathon.put(vhost("/bench", "bench.example", [task("bench.3", ports["bench.3"])]))
            edge.serves("bench.example")
            edge.settled()
            print(f"{f'event -> served, ms, {EVENTS} events':<36}{'p50':>10}{'p99':>10}{'max':>10}")
            before = edge.health()["reloads"]
            slots = row("by a slot, no reload", changes(edge, marathon, ports, structural=False))
            without = edge.settled()["reloads"] - before
            reloads = row("with a reload, until it is loaded", changes(edge, marathon, ports, structural=True))
            made = edge.settled()["reloads"] - before - without
            print(f"reloads: {without} and {made}")
            throughput(edge, marathon)
        finally:
            edge.stop()
            marathon.stop()
            tasks.close()
    return 0 if slots < SLOT_BOUND and reloads < RELOAD_BOUND and without <= 1 and made >= EVENTS // 2 else 1


if __name__ == "__main__":
    sys.exit(main())
