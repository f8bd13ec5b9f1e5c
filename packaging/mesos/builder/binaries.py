"""Compiles the stand-in libraries and the launchers."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from . import stubs
from .errors import BuildError

SOURCES = Path(__file__).resolve().parent.parent / "src"
LIBRARY = "_scheduler.so"

# Program -> (folder below the package's root, how it finds lib/ from there, source files).
PROGRAMS = {
    "mesos-master": ("usr/sbin", "$ORIGIN/../lib/utopia-mesos/lib", ("master.cpp", "program.cpp", "security.cpp")),
    "mesos-agent": ("usr/sbin", "$ORIGIN/../lib/utopia-mesos/lib", ("agent.cpp", "program.cpp", "security.cpp")),
    "mesos-containerizer": ("usr/lib/utopia-mesos/libexec", "$ORIGIN/../lib", ("containerizer.cpp", "program.cpp")),
    "mesos-io-switchboard": ("usr/lib/utopia-mesos/libexec", "$ORIGIN/../lib", ("io-switchboard.cpp", "program.cpp")),
}
TOOLS = {"g++": "g++", "gcc": "gcc", "nm": "binutils", "dpkg-deb": "dpkg"}


def require_tools() -> None:
    """Fail with the Debian packages to install."""
    missing = sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None})
    if missing:
        raise BuildError(f"tools are missing: install them with `apt-get install {' '.join(missing)}`")


def build_stubs(library: Path, target: Path, work: Path) -> None:
    """Make the stand-ins for what `library` misses in `target`."""
    found = stubs.wanted(run(["nm", "--dynamic", "--undefined-only", str(library)], work))
    for stub in stubs.libraries(found):
        compile_stub(stub, target, work)


def compile_stub(stub: stubs.Library, target: Path, work: Path) -> None:
    """One stand-in, from its source to `target`."""
    stem = stub.file.split(".so")[0]
    (work / f"{stem}.c").write_text(stub.source)
    arguments = ["gcc", "-O1", "-w", "-fPIC", "-shared", "-Wl,--build-id=none", f"-Wl,-soname,{stub.file}"]
    if stub.versions:
        (work / f"{stem}.map").write_text(stub.versions)
        arguments.append(f"-Wl,--version-script={stem}.map")
    run([*arguments, "-o", str(target / stub.file), f"{stem}.c", "-ldl"], work)


def build_programs(root: Path, work: Path) -> None:
    """Compile the launchers into the tree at `root`, whose lib folder has the library already."""
    library_folder = root / "usr/lib/utopia-mesos/lib"
    for name, (folder, origin, sources) in PROGRAMS.items():
        target = root / folder
        target.mkdir(parents=True, exist_ok=True)
        (work / "exports.map").write_text("{ local: *; };\n")
        run(
            [
                # Nothing is exported: an inline function of ours must never take the place of the library's.
                *("g++", "-std=c++17", "-O1", "-fPIC", "-pie", "-fvisibility-inlines-hidden", "-Wall", "-Wextra"),
                *("-Wl,--build-id=none", f"-Wl,--version-script={work / 'exports.map'}"),
                *("-o", str(target / name), *(str(SOURCES / source) for source in sources)),
                # The library has no soname: its file name is recorded, not its path.
                *(f"-L{library_folder}", f"-l:{LIBRARY}"),
                *("-Wl,--no-as-needed", "-lpy2stub", "-Wl,--as-needed", "-pthread"),
                # DT_RPATH, unlike DT_RUNPATH, is also used for what the library itself needs: the stand-ins.
                # What the library needs of Debian's is installed with the package, not where it is built.
                "-Wl,--allow-shlib-undefined",
                *("-Wl,--disable-new-dtags", f"-Wl,-rpath,{origin}", f"-Wl,-rpath-link,{library_folder}"),
            ],
            work,
        )


def run(arguments: Sequence[str], folder: Path) -> str:
    """Run a tool; its standard error becomes the message of the failure."""
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"`{arguments[0]}` failed with status {done.returncode}:\n{done.stderr.strip()[-4000:]}")
    return done.stdout
