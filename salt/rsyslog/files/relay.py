#!/usr/bin/python3
# managed by Salt - edit salt/rsyslog/files/relay.py
"""Stands between rsyslog and the index, and throws away the oldest lines of a buffer that is full, counted.

rsyslog hands on what waits in a disk queue from its oldest line, and keeps the rest until that is taken. So this
program takes what comes and has it indexed; when the index does not answer it waits, and when the queue comes near its
bound it says that the lines in its hands, the oldest there are, were indexed, having written down how many they were.

Each queue has a path of its own, /QUEUE/_bulk, and one request at a time. A line is counted as lost only when it is
sure that the index has not got it: what was sent and not answered is put aside, and sent again when the index is back.
"""

import base64
import hmac
import http.client
import http.server
import itertools
import json
import re
import signal
import ssl
import sys
import threading
import time
import typing
import urllib.parse
from pathlib import Path

SETTINGS = Path("/etc/log-shipper/relay.json")
OK, CREATED, THERE, BUSY, BROKEN = 200, 201, 409, 429, 500
NEW, KNOWN, REFUSED, ASIDE, LOST = "new", "known", "refused", "aside", "lost"  # what becomes of a line
UNUSABLE = (400, 413)  # what the index says of a request that it will never take: rsyslog's to deal with
CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 30.0
PAUSE_SECONDS = 0.25
HELD_SECONDS = 45.0  # of the 60 that rsyslog waits for an answer
FULL = 7 / 8  # of the bound: the rest is room for what comes while lines are thrown away
SOURCES = 1000  # containers' streams and processes whose lines are known when they come again
# CONTAINER-TIME-STREAM, and for parts of a line -LENGTH; in the journal NODE-TIME-PROCESS-HASH.
ID = re.compile(r"(?P<where>.*?)-(?P<time>\d{4}-\d\d-\d\dT[\d:.]+)(Z|[+]00:00)-(?P<who>[^-]*)(-.*)?")
ASIDE_BYTES = 4 * 2**20
SAVED_SECONDS, TOLD_SECONDS = 1.0, 60.0


class UnansweredError(Exception):
    """No member could be asked. `sent`: it may have what it was told all the same."""

    def __init__(self, why, *, sent):
        super().__init__(why)
        self.sent = sent


class Index:
    """The members of the index; when one gives no answer, the next is for the next question."""

    def __init__(self, urls, login, ca):
        self._urls = [urllib.parse.urlsplit(url) for url in urls]
        self._headers = {"Authorization": login, "Content-Type": "application/x-ndjson"}
        self._context = ssl.create_default_context(cafile=ca) if ca else None
        self._connection = None
        self._shaky = True

    def bulk(self, body):
        """Status and text of the answer. After a failure it is sent only to a member that has been heard of again."""
        if self._shaky:
            status, _ = self._ask("GET", "/_cluster/health?master_timeout=2s", None)
            if status != OK:
                raise UnansweredError(f"its health: HTTP {status}", sent=False)
            self._shaky = False
        status, answer = self._ask("POST", "/_bulk?timeout=10s", body)
        self._shaky = status != OK
        return status, answer

    def _ask(self, method, path, body):
        sent = False
        try:
            connection = self._connection or self._connect()
            sent = body is not None
            connection.request(method, path, body, self._headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            if self._connection:
                self._connection.close()
            self._connection, self._shaky = None, True
            self._urls.append(self._urls.pop(0))
            raise UnansweredError(f"{type(error).__name__} {error}", sent=sent) from error

    def _connect(self):
        url = self._urls[0]
        if url.scheme == "https":
            made = http.client.HTTPSConnection(url.hostname, url.port, timeout=CONNECT_SECONDS, context=self._context)
        else:
            made = http.client.HTTPConnection(url.hostname, url.port, timeout=CONNECT_SECONDS)
        made.connect()
        made.sock.settimeout(ANSWER_SECONDS)
        self._connection = made
        return made


class Batch:
    """The lines of one request. `rest`: which of them nobody knows to be indexed or refused yet."""

    def __init__(self, body):
        rows = body.rstrip(b"\n").split(b"\n")
        self._rows = list(zip(rows[::2], rows[1::2], strict=True))
        self._names = [next(iter(json.loads(action).values())) for action, _ in self._rows]
        self._items = [{}] * len(self._rows)
        self._fates = [""] * len(self._rows)
        self.rest = list(range(len(self._rows)))

    def body(self):
        """The rest, as a request."""
        return b"".join(b"%s\n%s\n" % self._rows[number] for number in self.rest)

    def ids(self):
        """Those of the rest."""
        return {self._names[number]["_id"] for number in self.rest}

    def learn(self, items):
        """What the index answered to `body`; what it could not do just now stays."""
        asked, self.rest = self.rest, []
        for number, item in zip(asked, items, strict=True):
            status = next(iter(item.values()))["status"]
            if status == BUSY or status >= BROKEN:
                self.rest.append(number)
            else:
                self._items[number] = item
                self._fates[number] = {OK: NEW, CREATED: NEW, THERE: KNOWN}.get(status, REFUSED)

    def give_up(self, fate):
        """Say of the rest that it was indexed."""
        for number in self.rest:
            self._items[number] = {"create": {**self._names[number], "status": CREATED}}
            self._fates[number] = fate
        self.rest = []

    def fates(self):
        """What became of each line: [(id, fate)]."""
        return [(name["_id"], fate) for name, fate in zip(self._names, self._fates, strict=True)]

    def answer(self):
        """As the index would say it."""
        return json.dumps({"took": 0, "errors": REFUSED in self._fates, "items": self._items}).encode()


class Lost:
    """How many lines were thrown away, each counted once: in a file, so that nobody's end makes it forget.

    After a kill rsyslog reads and hands on some lines again. What one source says comes in the order of its times, so
    up to the last of its lines a line has been here before, and is not counted again. If it is new to the index, and
    not behind the last one that was thrown away, it was one of those that were counted, and is lost no more.
    """

    def __init__(self, path):
        self._path = path
        self._lock = threading.Lock()
        self._marks = {}  # queue -> the last lines "seen" of each source, and those "gone"
        if path.exists():
            self._marks = json.loads(path.read_text(encoding="utf-8"))["last"]
        self.save()

    def record(self, queue, fates):
        """Lines that are done with. Raises OSError, and then they are not counted."""
        with self._lock:
            kept = self._marks.get(queue, {})
            seen, gone = dict(kept.get("seen", {})), dict(kept.get("gone", {}))
            change = sum(_count(seen, gone, one, fate) for one, fate in fates)
            marks = {**self._marks, queue: {"seen": _youngest(seen), "gone": _youngest(gone)}}
            if change or time.monotonic() - self._saved > SAVED_SECONDS:
                self._write(max(0, self._counted() + change), marks)
            self._marks = marks

    def save(self):
        """What has been seen since the last time as well."""
        with self._lock:
            self._write(self._counted(), self._marks)

    def _counted(self):
        try:
            return json.loads(self._path.read_text(encoding="utf-8"))["lost"]
        except FileNotFoundError:  # somebody has taken note
            return 0

    def _write(self, count, marks):
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps({"lost": count, "last": marks}) + "\n", encoding="utf-8")
        new.replace(self._path)
        self._saved = time.monotonic()


def _count(seen, gone, one, fate):
    """By how much a line changes the number of those that are lost."""
    parts = ID.fullmatch(one)
    if parts is None:
        return int(fate == LOST)
    line = (f"{parts['where']}-{parts['who']}", parts["time"], one)
    if fate == NEW and _is_behind(gone, *line):
        return -1
    if _is_behind(seen, *line):
        return 0
    _put(seen, *line)
    if fate != LOST:
        return 0
    _put(gone, *line)
    return 1


def _is_behind(marks, source, moment, one):
    newest, ids = marks.get(source, ("", ()))
    return moment < newest or one in ids


def _put(marks, source, moment, one):
    newest, ids = marks.pop(source, ("", ()))  # the sources that were heard of last are the last
    marks[source] = (moment, [*ids, one] if moment == newest else [one])


def _youngest(marks):
    return dict(list(marks.items())[-SOURCES:])


class Aside:
    """Requests of which nobody knows whether the index has them, for when it can be asked again."""

    def __init__(self, folder):
        self._folder = folder
        self._lock = threading.Lock()
        folder.mkdir(mode=0o700, exist_ok=True)

    def put(self, body):
        """Whether there is room for it."""
        if sum(path.stat().st_size for path in self._folder.iterdir()) + len(body) > ASIDE_BYTES:
            return False
        new = self._folder / "new"
        new.touch(mode=0o600)
        new.write_bytes(body)
        new.replace(self._folder / f"{time.time_ns()}")
        return True

    def settle(self, index, lost):
        """Send what lies here; a line that the index does not want is lost. Raises UnansweredError."""
        with self._lock:
            for path in sorted(self._folder.glob("[0-9]*")):
                batch = Batch(path.read_bytes())
                status, answer = index.bulk(batch.body())
                if status != OK:
                    return
                batch.learn(json.loads(answer)["items"])
                if batch.rest:
                    return
                lost.record("aside", [(one, LOST) for one, fate in batch.fates() if fate == REFUSED])
                path.unlink()


class Queue:
    """One of rsyslog's disk queues, on its way to the index."""

    def __init__(self, name, index, settings, lost, aside):
        self._name, self._index, self._lost, self._aside = name, index, lost, aside
        self._folder, self._bounds = Path(settings["folder"]), Path(settings["bounds"])
        self._lock = threading.Lock()
        self._doubtful = set()  # ids of lines that were sent, and may be in the index
        self._numbers, self._newest = itertools.count(1), 0
        self._told = -TOLD_SECONDS

    def deliver(self, body):
        """Status and text of an answer; None when rsyslog is to ask again."""
        self._newest = number = next(self._numbers)
        until, batch = time.monotonic() + HELD_SECONDS, Batch(body)
        while True:
            with self._lock:
                if number != self._newest:
                    return None  # rsyslog was killed, and is back with the same lines
                answer = self._try(batch)
            if answer or time.monotonic() > until:
                return answer
            time.sleep(PAUSE_SECONDS)

    def _try(self, batch):
        if self.is_full():
            return self._give_up(batch)
        try:
            self._aside.settle(self._index, self._lost)
        except UnansweredError:
            return None
        try:
            status, answer = self._index.bulk(batch.body())
        except UnansweredError as error:
            self._doubtful |= batch.ids() if error.sent else set()
            return None
        if status in UNUSABLE:
            return status, answer
        if status == OK:
            batch.learn(json.loads(answer)["items"])
        return None if batch.rest else self._done(batch)

    def _done(self, batch):
        """The count is on disk before anybody hears that lines are gone."""
        self._lost.record(self._name, batch.fates())
        self._doubtful = set()
        return OK, batch.answer()

    def is_full(self):
        """Whether it is near its bound, as far as that is known."""
        try:
            bound = re.search(rf"^{self._name.upper()}_BYTES=(\d+)$", self._bounds.read_text(encoding="ascii"), re.M)
        except FileNotFoundError:
            return False
        return bound is not None and self._bytes() >= int(bound[1]) * FULL

    def _bytes(self):
        taken = 0
        for path in self._folder.glob(f"{self._name}.0*"):
            try:
                taken += path.stat().st_size
            except FileNotFoundError:
                continue  # rsyslog has just done with it
        return taken

    def _give_up(self, batch):
        aside = not self._doubtful.isdisjoint(batch.ids()) and self._aside.put(batch.body())
        batch.give_up(ASIDE if aside else LOST)
        if time.monotonic() - self._told >= TOLD_SECONDS:
            self._told = time.monotonic()
            print(f"the buffer of {self._name} is full: its oldest lines are thrown away, and counted", file=sys.stderr)
        return self._done(batch)


class Handler(http.server.BaseHTTPRequestHandler):
    """What omelasticsearch asks."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    queues: typing.ClassVar = {}
    login = ""

    def do_GET(self):
        """Whether somebody is there."""
        self._answer(OK, b"{}")

    def do_POST(self):
        """A bulk of lines."""
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        queue = self.queues.get(self.path.split("/")[1])
        if not hmac.compare_digest(self.headers.get("Authorization", ""), self.login):
            self._answer(401, b"{}")
        elif queue is None:
            self._answer(404, b"{}")
        elif len(body) == length and (answer := queue.deliver(body)):
            self._answer(*answer)
        else:
            self.close_connection = True

    def _answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        """Nobody reads them."""


class Server(http.server.ThreadingHTTPServer):
    """On loopback."""

    daemon_threads = True

    def handle_error(self, _request, _address):
        """A request that ends without an answer comes again."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):  # that one is about rsyslog, which was stopped
            print(f"lines wait: {type(error).__name__} {error}", file=sys.stderr)


def main(arguments):
    """Serve until SIGTERM: whatever is in its hands is rsyslog's still."""
    settings = json.loads(Path(*arguments or [SETTINGS]).read_text(encoding="utf-8"))
    login = "Basic " + base64.b64encode(settings["login"].encode()).decode()
    kept = Path(settings["kept"])
    lost, aside = Lost(kept / "lost.json"), Aside(kept / "aside")
    Handler.login = login
    for name in settings["queues"]:
        index = Index(settings["members"], login, settings["ca"])
        Handler.queues[name] = Queue(name, index, settings, lost, aside)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        Server(("127.0.0.1", settings["port"]), Handler).serve_forever()
    finally:
        lost.save()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
