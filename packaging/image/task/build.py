#!/usr/bin/env python3
"""Make the image for Docker tasks from Debian's static busybox, without a registry or an engine.

The result is what `docker load` reads. Same busybox in, same bytes out: no times, fixed order.
"""

import argparse
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

TAG = "utopia/task:1"
FILE = "utopia-task_1.tar"
FOLDERS = {"bin": 0o755, "etc": 0o755, "root": 0o700, "tmp": 0o1777, "var": 0o755}
FILES = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
}


class BuildError(Exception):
    """Said to the caller in one message."""


def main() -> int:
    """Print the path of the image; 1 and a message on standard error if it cannot be built."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--busybox", type=Path, help="a static busybox; without it Debian's package is fetched by apt")
    parser.add_argument("--output", type=Path, required=True, help="folder for the image")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            busybox = arguments.busybox or fetch(Path(scratch))
            applets = command([str(busybox), "--list"]).split()
            target = arguments.output / FILE
            target.write_bytes(image(layer(busybox.read_bytes(), applets)))
    except BuildError as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 1
    print(target)
    return 0


def fetch(folder: Path) -> Path:
    """Debian's package, its signature checked by apt."""
    # A folder of root cannot be entered by apt's own user: it then fetches as root and says so.
    command(["apt-get", "-o", "APT::Sandbox::User=root", "download", "busybox-static"], folder)
    package = next(folder.glob("busybox-static_*.deb"))
    command(["dpkg-deb", "--extract", str(package), str(folder / "root")])
    return next(path for path in (folder / "root/bin/busybox", folder / "root/usr/bin/busybox") if path.exists())


def command(argv: list[str], folder: Path | None = None) -> str:
    """Standard output of a program that must succeed."""
    try:
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{argv[0]}: {error}") from error
    if done.returncode:
        raise BuildError(f"{' '.join(argv)} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def layer(busybox: bytes, applets: list[str]) -> bytes:
    """The only layer: busybox under all its names."""
    entries = [entry(name, tarfile.DIRTYPE, mode) for name, mode in FOLDERS.items()]
    entries.append(entry("bin/busybox", tarfile.REGTYPE, 0o755, busybox))
    entries += [entry(name, tarfile.REGTYPE, 0o644, content) for name, content in FILES.items()]
    names = sorted(set(applets) - {"busybox"})
    entries += [entry(f"bin/{name}", tarfile.SYMTYPE, 0o777, link="busybox") for name in names]
    return archive(entries)


def image(layer_tar: bytes) -> bytes:
    """Layer, configuration and manifest in the form `docker load` reads."""
    layer_id = hashlib.sha256(layer_tar).hexdigest()
    configuration = {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_id}"]},
        "history": [{"created": "1970-01-01T00:00:00Z", "comment": "busybox-static"}],
    }
    text = json.dumps(configuration, sort_keys=True).encode()
    name = f"{hashlib.sha256(text).hexdigest()}.json"
    manifest = json.dumps([{"Config": name, "Layers": [f"{layer_id}/layer.tar"], "RepoTags": [TAG]}], sort_keys=True)
    return archive(
        [
            entry(layer_id, tarfile.DIRTYPE, 0o755),
            entry(f"{layer_id}/layer.tar", tarfile.REGTYPE, 0o644, layer_tar),
            entry(name, tarfile.REGTYPE, 0o644, text),
            entry("manifest.json", tarfile.REGTYPE, 0o644, manifest.encode()),
        ]
    )


def entry(name: str, kind: bytes, mode: int, content: bytes = b"", link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    """A member with nothing that differs from one build to the next."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.linkname = kind, mode, len(content), link
    return info, content


def archive(entries: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """A plain tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())
