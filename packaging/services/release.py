#!/usr/bin/env python3
"""Pack services/ as a release: the packages, in bin/ a program `utopia-NAME` for each that runs, in parts/ its hash.

On a node it is unpacked into a folder of its own; a running service keeps the one it was started from.
"""

import argparse
import hashlib
import sys
from pathlib import Path

import archive

from bootstrap import builders, paths

FILE = "utopia-services_1.tar"
PYTHON = "/opt/utopia/services/python/bin/python"
# -P and the path from its own place: nothing else of the machine is importable, and `current` may move on meanwhile.
LAUNCHER = f"""\
#!{PYTHON} -P
import runpy, sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
runpy.run_module("services.{{name}}", run_name="__main__", alter_sys=True)
"""


def main() -> int:
    """Print the path of the archive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder for the archive")
    target = parser.parse_args().output / FILE
    archive.write(target, release(paths.CHECKOUT / "services"))
    print(target)
    return 0


def release(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Path inside -> content and mode."""
    files = {
        f"services/{path.relative_to(folder)}": (path.read_bytes(), 0o644) for path in builders.source_files(folder)
    }
    for entry in sorted(folder.glob("*/__main__.py")):
        name = entry.parent.name
        files[f"bin/utopia-{name}"] = (LAUNCHER.format(name=name).encode(), 0o755)
        files[f"parts/utopia-{name}"] = (f"{part(files, name)}\n".encode(), 0o644)
    return files


def part(files: dict[str, tuple[bytes, int]], name: str) -> str:
    """A hash of what one service is made of: its own package, its program, and what all share."""
    digest = hashlib.sha256()
    for path, (content, _) in sorted(files.items()):
        own = path.startswith(f"services/{name}/") or path == f"bin/utopia-{name}"
        if own or (path.startswith("services/") and path.count("/") == 1):
            digest.update(f"\0{path}\0".encode() + content)
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
