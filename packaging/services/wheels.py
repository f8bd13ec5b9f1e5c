#!/usr/bin/env python3
"""Pack the locked wheels that the services need, with the script that makes a venv of them on a node."""

import argparse
import hashlib
import sys
import tempfile
from pathlib import Path

import archive

from bootstrap import paths, wheelhouse
from bootstrap.errors import OperatorError

FILE = "utopia-service-wheels_1.tar"
LOCK = Path(__file__).with_name("requirements.lock")
INSTALLER = paths.CHECKOUT / "packaging" / "salt" / "install.sh"


def main() -> int:
    """Print the path of the archive; 1 and a message on standard error if the wheels cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder for the archive")
    target = parser.parse_args().output / FILE
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        try:
            wheelhouse.fill(folder, LOCK, hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16])
        except OperatorError as error:
            print("\n".join([error.what, *error.lines]), file=sys.stderr)
            return 1
        files = {path.name: (path.read_bytes(), 0o644) for path in folder.iterdir()}
    archive.write(target, {**files, INSTALLER.name: (INSTALLER.read_bytes(), 0o755)})
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
