"""The store against a real HTTP server that misbehaves in every way a source can."""

import errno
import hashlib
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from bootstrap import artifacts, builders, catalogue, fetching, pip_fetch
from bootstrap.artifacts import Store
from bootstrap.catalogue import Entry, Source
from bootstrap.errors import ArtifactError, DiskFullError, InvalidTopologyError, UsageError

CONTENT = bytes(range(256)) * 512
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """/good serves with ranges, /plain without, /wrong other bytes, /endless more than asked, /short breaks off."""

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range")))
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if self.path == "/gone":
            self.send_error(404)
        elif self.path == "/good" and start >= len(CONTENT):
            self.send_error(416)
        elif self.path == "/good" and start:
            self.answer(206, CONTENT[start:])
        elif self.path == "/wrong":
            self.answer(200, CONTENT[::-1])
        elif self.path == "/endless":
            self.answer(200, CONTENT * 2)
        elif self.path == "/short":
            self.answer(200, CONTENT[:1000], length=len(CONTENT))
        else:
            self.answer(200, CONTENT)

    def answer(self, status, body, length=None):
        self.send_response(status)
        self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked = []
        thread = threading.Thread(target=running.serve_forever, args=[0.02])
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def make(server, tmp_path, monkeypatch):
    """A store with one artifact that has the given paths of the server as its sources."""
    monkeypatch.delenv(fetching.MIRROR_VARIABLE, raising=False)

    def store(*where, sha256=SHA256):
        urls = [path if ":" in path else f"http://127.0.0.1:{server.server_address[1]}{path}" for path in where]
        sources = tuple(Source("url", url) for url in urls)
        entry = Entry("tool", "1", "tool.tar", sha256, len(CONTENT), "MIT", None, None, sources)
        return Store(tmp_path / "store", {"tool": entry})

    return store


def quiet(_node, _text):
    pass


def partial(store):
    path = store.folder / "partial" / SHA256
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def test_fetched_once_checked_and_kept_under_the_checksum(make, server):
    store = make("/good")
    found = store.ensure(["tool"], quiet)["tool"]
    assert found.path == store.folder / "sha256" / SHA256
    assert found.path.read_bytes() == CONTENT
    assert (found.size, found.as_pillar()) == (len(CONTENT), {"file": "tool.tar", "sha256": SHA256, "version": "1"})
    assert store.ensure(["tool"], quiet)["tool"] == found
    assert len(server.asked) == 1


def test_the_next_source_is_tried(make):
    store = make("/gone", "/wrong", "/endless", "/good")
    assert store.ensure(["tool"], quiet)["tool"].path.read_bytes() == CONTENT


def test_source_gone_says_each_source_and_why(make):
    store = make("/gone", "http://127.0.0.1:1/closed", "/wrong", "/endless", "/short")
    with pytest.raises(ArtifactError) as failure:
        store.ensure(["tool"], quiet)
    reasons = ["HTTP 404", "refused", f"is not {SHA256}", f"more than the {len(CONTENT)} bytes", "ended after 1000"]
    assert len(failure.value.lines) == len(reasons)
    for line, reason in zip(failure.value.lines, reasons, strict=True):
        assert reason in line
    assert store.find("tool") is None


def test_checksum_mismatch_leaves_nothing_behind(make):
    store = make("/wrong")
    with pytest.raises(ArtifactError):
        store.ensure(["tool"], quiet)
    assert not partial(store).exists()
    assert not list((store.folder).rglob("sha256/*"))


def test_interrupted_download_is_continued(make, server):
    store = make("/good")
    partial(store).write_bytes(CONTENT[:5000])
    assert store.ensure(["tool"], quiet)["tool"].path.read_bytes() == CONTENT
    assert server.asked == [("/good", "bytes=5000-")]


@pytest.mark.parametrize(
    ("left", "path"),
    [
        (b"x" * 5000, "/good"),  # not the beginning of this file
        (CONTENT[:5000], "/plain"),  # the server knows no ranges
        (CONTENT + b"x", "/good"),  # longer than the file
    ],
)
def test_interrupted_download_that_cannot_be_continued_starts_anew(make, left, path):
    store = make(path)
    partial(store).write_bytes(left)
    assert store.ensure(["tool"], quiet)["tool"].path.read_bytes() == CONTENT


def test_what_broke_off_is_continued_by_the_next_source(make, server):
    store = make("/short", "/good")
    assert store.ensure(["tool"], quiet)["tool"].path.read_bytes() == CONTENT
    assert server.asked[-1] == ("/good", "bytes=1000-")


def test_unknown_checksum_fetches_nothing(make, server):
    store = make("/good", sha256="")
    with pytest.raises(ArtifactError, match="not filled in") as failure:
        store.ensure(["tool"], quiet)
    assert "artifacts.tool.sha256" in failure.value.next_step
    assert server.asked == []


def test_damage_is_found_and_repaired(make):
    store = make("/good")
    path = store.ensure(["tool"], quiet)["tool"].path
    path.write_bytes(CONTENT[:-1])
    assert store.verify("tool") == "damaged"
    store.ensure(["tool"], quiet)
    assert store.verify("tool") == "ok"
    path.unlink()
    assert store.verify("tool") == "missing"


def test_mirror_of_the_operator(make, server, tmp_path, monkeypatch):
    store = make("/unused")
    store.entries = {"tool": replace(store.entries["tool"], sources=(Source("mirror", "some/tool.tar"),))}
    with pytest.raises(ArtifactError) as failure:
        store.ensure(["tool"], quiet)
    assert failure.value.lines == ("mirror: some/tool.tar: UTOPIA_MIRROR is not set",)
    (tmp_path / "mirror/some").mkdir(parents=True)
    (tmp_path / "mirror/some/tool.tar").write_bytes(CONTENT)
    monkeypatch.setenv("UTOPIA_MIRROR", f"file://{tmp_path}/mirror/")
    assert store.ensure(["tool"], quiet)["tool"].sha256 == SHA256


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_disk_full_while_writing(make, monkeypatch, number):
    def full(*_args):
        raise OSError(number, "no room")

    monkeypatch.setattr(fetching, "fetch", full)
    with pytest.raises(DiskFullError) as failure:
        make("/good").ensure(["tool"], quiet)
    assert "UTOPIA_CACHE_DIR" in failure.value.next_step


def test_disk_full_is_known_before_the_download(make, server, monkeypatch):
    monkeypatch.setattr(artifacts.shutil, "disk_usage", lambda _path: type("Usage", (), {"free": 10})())
    with pytest.raises(DiskFullError):
        make("/good").ensure(["tool"], quiet)
    assert server.asked == []


def test_other_errors_of_the_file_system_are_not_called_disk_full(make, monkeypatch):
    def broken(*_args):
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(fetching, "fetch", broken)
    with pytest.raises(PermissionError):
        make("/good").ensure(["tool"], quiet)


def test_concurrent_use_fetches_once(make, server):
    store = make("/good")
    results = []
    threads = [threading.Thread(target=lambda: results.append(store.ensure(["tool"], quiet))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert len(server.asked) == 1


@pytest.fixture
def built(tmp_path, monkeypatch):
    """A store with an artifact that a program of ours makes from another; the program's folder."""
    folder = tmp_path / "packaging"
    folder.mkdir()
    script = folder / "build.py"
    script.write_text(
        "import argparse, pathlib\n"
        "parser = argparse.ArgumentParser()\n"
        "parser.add_argument('--source', type=pathlib.Path)\n"
        "parser.add_argument('--output', type=pathlib.Path)\n"
        "arguments = parser.parse_args()\n"
        "(arguments.output / 'made.deb').write_bytes(arguments.source.read_bytes()[:10])\n"
    )
    monkeypatch.setattr(builders, "BUILDERS", {"mesos": builders.Builder(script, {})})
    original = tmp_path / "original"
    original.write_bytes(CONTENT)
    source = Source("url", original.as_uri())
    entries = {
        "tool": Entry("tool", "1", "tool.tar", SHA256, len(CONTENT), "MIT", None, None, (source,)),
        "made": Entry("made", "1", "made.deb", None, None, "MIT", None, None, (Source("build", "mesos", ("tool",)),)),
    }
    return Store(tmp_path / "store", entries), folder


def test_built_once_and_again_when_an_input_changes(built):
    store, folder = built
    said = []
    first = store.ensure(["made"], lambda _node, text: said.append(text))["made"]
    assert first.path.read_bytes() == CONTENT[:10]
    assert "building made.deb" in said
    said.clear()
    assert store.ensure(["made"], lambda _node, text: said.append(text))["made"] == first
    assert said == []
    (folder / "README.md").write_text("prose is no input")
    assert store.find("made") == first
    (folder / "launcher.cpp").write_text("// an input\n")
    assert store.find("made") is None
    store.ensure(["made"], lambda _node, text: said.append(text))
    assert said == ["building made.deb"]


def test_a_build_that_fails_shows_its_last_lines(built):
    store, folder = built
    (folder / "build.py").write_text("import sys\nsys.exit('no compiler')\n")
    with pytest.raises(ArtifactError, match="could not be built") as failure:
        store.ensure(["made"], quiet)
    assert "no compiler" in failure.value.lines
    assert list((store.folder / "partial").iterdir()) == []


def test_a_build_that_makes_another_file(built):
    store, _ = built
    store.entries = {**store.entries, "made": replace(store.entries["made"], file="other.deb")}
    with pytest.raises(ArtifactError) as failure:
        store.ensure(["made"], quiet)
    assert failure.value.lines == ("build: mesos: made made.deb and not other.deb",)


def test_unknown_name_suggests_the_nearest(make):
    with pytest.raises(UsageError, match="did you mean 'tool'"):
        make("/good").ensure(["tols"], quiet)


def test_the_catalogue_itself():
    entries = catalogue.load()
    assert {"mesos", "mesos-binary", "task-image"} <= set(entries)
    for entry in entries.values():
        fetched = [source for source in entry.sources if source.kind != "build"]
        assert not fetched or entry.sha256 is not None
        assert set(catalogue.BUILDERS) == set(builders.BUILDERS)


def test_a_file_that_only_a_mirror_can_have_says_where_to_put_it(tmp_path):
    with pytest.raises(ArtifactError, match=r"the checksum of marathon 1.11.24 is not filled in") as failure:
        Store(tmp_path / "store").ensure(["marathon"], quiet)
    assert failure.value.lines[0] == (
        "put marathon-1.11.24-9ee9f3ceb.tgz at marathon/marathon-1.11.24-9ee9f3ceb.tgz "
        f"below the mirror that {fetching.MIRROR_VARIABLE} names"
    )
    assert "artifacts.marathon.sha256" in failure.value.lines[1]


def test_what_changes_with_every_edit_is_not_baked():
    entries = catalogue.load()
    assert [name for name, entry in entries.items() if not entry.baked] == ["services"]


BROKEN = """\
artifacts:
  a: {version: "1", file: ../a, sha256: xyz, licence: MIT, sources: [{url: "http://x"}]}
  b: {version: "1", file: b, licens: MIT, sources: [{urll: x}, 3, {build: {with: nobody, from: [zzz]}}]}
  c: {version: "1", file: c, licence: MIT, sources: [{url: "http://x"}]}
  d: {version: "1", file: d, licence: MIT, end_of_life: soon, size: big, baked: perhaps, sources: []}
"""


def test_every_mistake_of_a_catalogue_at_once(tmp_path):
    file = tmp_path / "artifacts.yaml"
    file.write_text(BROKEN)
    with pytest.raises(InvalidTopologyError) as failure:
        catalogue.load(file)
    said = "\n".join(failure.value.lines)
    for part in (
        "artifacts.a.file: '../a'",
        "artifacts.a.sha256: 'xyz'",
        "artifacts.b.licens: unknown key, did you mean licence?",
        "artifacts.b.licence: missing",
        "unknown kind 'urll', did you mean url?",
        "artifacts.b.sources[1]",
        "'nobody' is not one of",
        "'zzz' is not another artifact",
        "artifacts.c.sha256: mandatory",
        "artifacts.d.end_of_life: 'soon'",
        "artifacts.d.size: 'big'",
        "artifacts.d.sources: missing",
    ):
        assert part in said, part
    assert f"{file}:4: artifacts.c" in said


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index on disk-like terms: one page, one file, with everything pip is configured by replaced."""

    class Index(BaseHTTPRequestHandler):
        def do_GET(self):
            pages = {
                "/simple/some-tool/": b'<a href="../../files/Tool%2B1.tar.gz#sha256=00">Tool+1.tar.gz</a>',
                "/files/Tool%2B1.tar.gz": CONTENT,
            }
            body = pages.get(self.path)
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as running:
        thread = threading.Thread(target=running.serve_forever, args=[0.02])
        thread.start()
        configuration = tmp_path / "pip.conf"
        configuration.write_text(f"[global]\nindex-url = http://127.0.0.1:{running.server_address[1]}/simple\n")
        monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
        monkeypatch.delenv("PIP_INDEX_URL", raising=False)
        yield
        running.shutdown()
        thread.join()


def from_index(project, file, tmp_path):
    entry = Entry("tool", "1", file, SHA256, len(CONTENT), "MIT", None, None, (Source("package-index", project),))
    return Store(tmp_path / "store", {"tool": entry}).ensure(["tool"], quiet)["tool"]


def test_package_index_as_pip_is_configured(index, tmp_path):
    assert from_index("Some.Tool", "Tool+1.tar.gz", tmp_path).path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("project", "file", "said"), [("some-tool", "other.tar.gz", "has no file"), ("absent", "x", "HTTP 404")]
)
def test_package_index_without_the_file(index, tmp_path, project, file, said):
    with pytest.raises(ArtifactError) as failure:
        from_index(project, file, tmp_path)
    assert said in failure.value.lines[0]


def test_addresses_are_said_without_logins():
    assert pip_fetch._named("https://me:secret@index.example/simple/x?token=1") == "https://index.example/simple/x"


def test_task_image_is_the_same_every_time(tmp_path):
    script = Path(__file__).parents[2] / "packaging/image/task/build.py"
    busybox = tmp_path / "busybox"
    busybox.write_text("#!/bin/sh\nprintf 'sh\\nls\\nbusybox\\n'\n")
    busybox.chmod(0o755)
    sums = set()
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        done = artifacts.builders.run(["python3", str(script), "--busybox", str(busybox), "--output", str(folder)])
        assert done.ok, done.err
        sums.add(artifacts.file_sha256(folder / "utopia-task_1.tar"))
    assert len(sums) == 1


def with_maven(tmp_path, monkeypatch, script):
    """A Maven client in the place of the real one: what it is called with, and what it leaves, are its contract."""
    (tmp_path / "bin").mkdir()
    client = tmp_path / "bin" / "mvn"
    client.write_text(
        f"#!/bin/sh\nfor word; do case $word in -DoutputDirectory=*) out=${{word#*=}};; esac; done\n{script}\n"
    )
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    entry = Entry(
        "tool", "1", "tool-1.zip", SHA256, len(CONTENT), "MIT", None, None, (Source("maven", "org:tool:1:zip"),)
    )
    return Store(tmp_path / "store", {"tool": entry}).ensure(["tool"], quiet)["tool"]


def test_maven_leaves_one_file(tmp_path, monkeypatch):
    (tmp_path / "content").write_bytes(CONTENT)
    found = with_maven(tmp_path, monkeypatch, f'echo "$*" > {tmp_path}/words; cp {tmp_path}/content "$out/tool-1.zip"')
    assert found.path.read_bytes() == CONTENT
    assert "-Dartifact=org:tool:1:zip" in (tmp_path / "words").read_text().split()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "echo '[INFO] x'; echo '[ERROR] Could not find artifact org:tool'; exit 1",
            "Could not find artifact org:tool",
        ),
        ("true", "gave 0 files instead of one"),
        ('echo wrong > "$out/tool-1.zip"', "is not"),
    ],
)
def test_maven_gives_something_else(tmp_path, monkeypatch, script, said):
    with pytest.raises(ArtifactError) as caught:
        with_maven(tmp_path, monkeypatch, script)
    assert said in " ".join(caught.value.lines)


RELEASE = {"file": "a2.deb", "sha256": "ab" * 32, "sources": [{"mirror": "a2.deb"}]}


@pytest.mark.parametrize(
    ("releases", "said"),
    [
        ({"2": RELEASE}, None),
        ([RELEASE], ".releases: not a mapping of versions"),
        ({2: RELEASE}, ".releases.2: a version is text: put quotes around it"),
        ({"1": RELEASE}, ".releases.1: that is the default already"),
        ({"2": "a2.deb"}, ".releases.2: not a mapping"),
        ({"2": {**RELEASE, "licence": "MIT"}}, ".releases.2.licence: unknown key"),
        ({"2": {"file": "a2.deb", "sha256": None}}, ".releases.2.sources: missing"),
        ({"2": {"file": "a2.deb", "sources": [{"mirror": "a"}]}}, ".releases.2.sha256: mandatory for what is fetched"),
    ],
)
def test_other_releases_are_whole_rows(tmp_path, releases, said):
    row = {"version": "1", "file": "a.deb", "sha256": "cd" * 32, "licence": "MIT", "sources": [{"mirror": "a.deb"}]}
    path = tmp_path / "artifacts.yaml"
    path.write_text(yaml.safe_dump({"artifacts": {"a": {**row, "baked": False, "releases": releases}}}))
    if said is None:
        entries = catalogue.load(path)
        assert entries["a"].versions == ("1", "2")
        chosen = catalogue.chosen(entries, {"a": "2"})["a"]
        assert (chosen.version, chosen.file, chosen.licence, chosen.baked) == ("2", "a2.deb", "MIT", False)
        return
    with pytest.raises(InvalidTopologyError) as wrong:
        catalogue.load(path)
    assert any(f"artifacts.a{said}" in line for line in wrong.value.lines)
