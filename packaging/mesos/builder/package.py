"""Lays out the package's tree and turns it into a .deb whose bytes depend on nothing but the inputs."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from . import binaries, source

HERE = Path(__file__).resolve().parent.parent
NAME = "utopia-mesos"
VERSION = "1.11.0-1"
HOME = Path("usr/lib/utopia-mesos")
FILE = f"{NAME}_{VERSION}_amd64.deb"
# 2020-11-24, the release of Mesos 1.11.0; `SOURCE_DATE_EPOCH` overrides it.
RELEASED = 1606176000


def build(archive: Path, output: Path) -> Path:
    """Make the package from the official archive; returns its path."""
    binaries.require_tools()
    output.mkdir(parents=True, exist_ok=True)
    # Next to the result, so that the last step is a rename.
    with tempfile.TemporaryDirectory(prefix=".utopia-mesos-", dir=output) as scratch:
        work = Path(scratch) / "work"
        root = Path(scratch) / "root"
        work.mkdir()
        (root / HOME / "lib").mkdir(parents=True)
        library = root / HOME / "lib" / binaries.LIBRARY
        source.extract_library(archive, library)
        binaries.build_stubs(library, root / HOME / "lib", work)
        binaries.build_programs(root, work)
        lay_out(root)
        return _pack(root, Path(scratch) / FILE).rename(output / FILE)


def lay_out(root: Path) -> None:
    """Everything but the compiled parts: executors, helpers, documentation, control files."""
    libexec = root / HOME / "libexec"
    libexec.mkdir(parents=True, exist_ok=True)
    for script in sorted((HERE / "libexec").iterdir()):
        shutil.copy(script, libexec / script.name)
    modules = root / HOME / "python/utopia_mesos"
    modules.mkdir(parents=True)
    for module in sorted((HERE / "python/utopia_mesos").glob("*.py")):
        shutil.copy(module, modules / module.name)
    documentation = root / "usr/share/doc" / NAME
    documentation.mkdir(parents=True)
    shutil.copy(HERE / "debian/copyright", documentation / "copyright")
    control = root / "DEBIAN"
    control.mkdir()
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) // 1024
    text = (HERE / "debian/control").read_text()
    (control / "control").write_text(text.format(name=NAME, version=VERSION, size=size))
    for maintainer_script in ("postinst", "prerm"):
        shutil.copy(HERE / "debian" / maintainer_script, control / maintainer_script)


def _pack(root: Path, target: Path) -> Path:
    epoch = os.environ.setdefault("SOURCE_DATE_EPOCH", str(RELEASED))
    for path in [root, *root.rglob("*")]:
        path.chmod(0o755 if path.is_dir() or _is_program(root, path) else 0o644)
        os.utime(path, (int(epoch), int(epoch)))
    # gzip: its result does not depend on the number of processors, and unpacking is quick.
    binaries.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(root), str(target)], root)
    return target


def _is_program(root: Path, path: Path) -> bool:
    folder = path.parent.relative_to(root)
    return folder in (Path("usr/sbin"), HOME / "libexec") or (folder == Path("DEBIAN") and path.name != "control")
