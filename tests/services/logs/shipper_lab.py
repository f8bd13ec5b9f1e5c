"""A shipper of logs on loopback: rsyslog and its relay with their rendered files, and an index that can go away."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from free_ports import free_port
from waiting import eventually

from bootstrap import paths

HOST = "127.0.0.1"
RENDERED = paths.CHECKOUT / "tests/states/golden/rsyslog-drop-oldest"
REPORT = paths.SALT / "rsyslog/files/report"
RELAY = paths.SALT / "rsyslog/files/relay.py"
FIRST = datetime(2026, 1, 1)
CONTAINER = "0123456789ab" + "c" * 52


class Index:
    """Takes bulks as Elasticsearch does; keeps what it was given by id."""

    def __init__(self) -> None:
        self.port = free_port()
        self.lines: dict[str, Any] = {}
        self.given: Counter[str] = Counter()
        self.status = 0  # of every line, where it is not taken
        self.silent = False  # whether lines are taken, and the answer never comes
        self.seconds = 0.0  # for a bulk
        self._server: http.server.ThreadingHTTPServer | None = None
        self._sockets: list[Any] = []

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def setup(self) -> None:
                owner._sockets.append(self.request)
                super().setup()

            def do_GET(self) -> None:
                self._answer({"status": "green"})

            def do_POST(self) -> None:
                answer = owner.take(self.rfile.read(int(self.headers["Content-Length"])))
                if owner.silent:
                    self.close_connection = True
                else:
                    self._answer(answer)

            def _answer(self, answer: object) -> None:
                text = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer((HOST, self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            for each in self._sockets:
                each.close()
        self._server, self._sockets = None, []

    def take(self, body: bytes) -> dict[str, Any]:
        rows = body.splitlines()
        time.sleep(self.seconds)
        items = [
            self._line(json.loads(action)["create"], row) for action, row in zip(rows[::2], rows[1::2], strict=True)
        ]
        return {"took": 1, "errors": any(item["create"]["status"] != 201 for item in items), "items": items}

    def _line(self, name: dict[str, str], row: bytes) -> dict[str, Any]:
        identity = name["_id"]
        self.given[identity] += 1
        status = self.status or (409 if identity in self.lines else 201)
        if status == 201:
            self.lines[identity] = json.loads(row)
        return {"create": {**name, "status": status}}


class Shipper:
    """rsyslog and its relay, in a folder."""

    def __init__(self, folder: Path, index: Index, megabytes: int) -> None:
        self._folder = folder
        self._port = free_port()
        self.buffer, self.kept = folder / "buffer", folder / "kept"
        self.log = folder / f"containers/{CONTAINER}/{CONTAINER}-json.log"
        for path in (self.buffer, self.kept, folder / "run", self.log.parent):
            path.mkdir(parents=True)
        relay = json.loads(self._rendered("etc/log-shipper/relay.json"))
        relay |= {"members": [index.url], "ca": ""}
        (folder / "relay.json").write_text(json.dumps(relay))
        conf = re.sub(r'module\(load="imjournal"[^)]*\)', "", self._rendered("etc/log-shipper/rsyslog.conf"))
        (folder / "rsyslog.conf").write_text(conf)
        prepare = self._rendered("usr/lib/utopia/log-shipper-prepare")
        (folder / "prepare").write_text(re.sub(r"\(\(64 \* 1024\)\)", f"(({megabytes} * 1024))", prepare))
        (folder / "report").write_text(self._moved(REPORT.read_text()))
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._written = 0

    def _rendered(self, path: str) -> str:
        return self._moved((RENDERED / path).read_text())

    def _moved(self, text: str) -> str:
        places = {
            "/var/lib/docker/containers": f"{self._folder}/containers",
            "/var/lib/log-shipper": f"{self.buffer}",
            "/run/log-shipper": f"{self._folder}/run",
            "/var/lib/log-relay": f"{self.kept}",
            ":921/": f":{self._port}/",
            '"port": 921': f'"port": {self._port}',
            'interval="10"': 'interval="1"',
        }
        for before, now in places.items():
            text = text.replace(before, now)
        return text

    def start(self) -> None:
        self.start_relay()
        self.start_rsyslog()

    def start_relay(self) -> None:
        self._run("relay", [sys.executable, str(RELAY), str(self._folder / "relay.json")], {})

    def start_rsyslog(self) -> None:
        subprocess.run(["sh", str(self._folder / "prepare")], cwd=self.buffer, check=True, timeout=10)
        bounds = dict(line.split("=") for line in (self._folder / "run/bounds").read_text().split())
        command = ["rsyslogd", "-n", "-i", str(self._folder / "pid"), "-f", str(self._folder / "rsyslog.conf")]
        self._run("rsyslog", command, bounds)

    def bound(self) -> int:
        return int(re.findall(r"CONTAINERS_BYTES=(\d+)", (self._folder / "run/bounds").read_text())[0])

    def _run(self, name: str, command: list[str], more: dict[str, str]) -> None:
        env = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin", **more}
        with (self._folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(command, env=env, cwd=self.buffer, stdout=log, stderr=log)

    def signal(self, name: str, number: signal.Signals) -> None:
        self._running[name].send_signal(number)

    def kill(self, name: str) -> None:
        if process := self._running.pop(name, None):
            process.send_signal(signal.SIGKILL)
            process.wait(10)

    def stop(self) -> None:
        for name in list(self._running):
            self.kill(name)

    def write(self, count: int, *, size: int = 200) -> None:
        """Lines as Docker writes them, numbered from where the last stopped."""
        rows = []
        for number in range(self._written, self._written + count):
            moment = (FIRST + timedelta(milliseconds=number)).isoformat(timespec="microseconds") + "Z"
            rows.append(f'{{"log":"{number} {"x" * size}\\n","stream":"stdout","time":"{moment}"}}\n')
        with self.log.open("a") as log:
            log.write("".join(rows))
        self._written += count

    def rotate(self) -> None:
        """As Docker does with `max-file: 3`."""
        first, second = Path(f"{self.log}.1"), Path(f"{self.log}.2")
        if first.exists():
            first.replace(second)
        self.log.replace(first)
        self.log.touch()

    def has_open(self) -> bool:
        """Whether rsyslog has every file of the container open, under whichever name."""
        held = set()
        for descriptor in Path(f"/proc/{self._running['rsyslog'].pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                held.add(descriptor.stat().st_ino)
        return {path.stat().st_ino for path in self.log.parent.iterdir()} <= held

    @property
    def written(self) -> int:
        return self._written

    def told(self) -> dict[str, int]:
        done = subprocess.run(
            ["sh", str(self._folder / "report")], capture_output=True, text=True, check=True, timeout=10
        )
        return dict(json.loads(done.stdout))

    def taken(self) -> int:
        """Bytes of the buffer of containers."""
        return sum(size for size in self._sizes())

    def _sizes(self) -> Iterator[int]:
        for path in self.buffer.glob("containers.0*"):
            try:
                yield path.stat().st_size
            except FileNotFoundError:
                continue

    def said(self) -> str:
        return "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in sorted(self._folder.glob("*.log")))


def numbers(index: Index) -> list[int]:
    """Which lines the index has."""
    return sorted(int(line["message"].split()[0]) for line in list(index.lines.values()))


def drained(shipper: Shipper, index: Index, within: float = 60) -> None:
    """The newest line is found, and nothing waits."""
    newest = shipper.written - 1

    def done() -> bool:
        return shipper.told()["waiting"] == 0 and newest in set(numbers(index))

    eventually(done, within, f"the newest line is found: {shipper.told()}\n{shipper.said()}")
