#!/usr/bin/env python3
"""Compile open_files.c into a library to be preloaded: `build.py --output FOLDER`. Lab only; see its head."""

import argparse
import subprocess
import sys
from pathlib import Path

FILE = "utopia-open-files_1.so"


def main() -> int:
    """Print the path of the library; the compiler's words and 1 if it cannot be built."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder for the library")
    target = parser.parse_args().output / FILE
    source = Path(__file__).with_name("open_files.c")
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-s", "-Wl,--build-id=none"]
    done = subprocess.run(["gcc", *flags, "-o", str(target), str(source)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"build.py: gcc failed:\n{done.stderr}", file=sys.stderr)
        return 1
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
