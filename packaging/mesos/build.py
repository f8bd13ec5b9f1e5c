#!/usr/bin/env python3
"""Build utopia-mesos_1.11.0-1_amd64.deb from the official archive. See README.md beside this file."""

import argparse
import sys
from pathlib import Path

from builder import package
from builder.errors import BuildError


def main() -> int:
    """Print the path of the package; 1 and a message on standard error if it cannot be built."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="mesos.scheduler-1.11.0.linux-x86_64.tar.gz")
    parser.add_argument("--output", type=Path, required=True, help="folder for the package")
    arguments = parser.parse_args()
    try:
        print(package.build(arguments.source.absolute(), arguments.output.absolute()))
    except BuildError as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
