#!/bin/sh
# Makes the folder $1 a virtual environment with the locked dependencies and the `bootstrap` command.
set -eu
venv=$1
lock=requirements.lock
python=${PYTHON:-python3.11}

command -v "$python" >/dev/null 2>&1 || python=python3
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo none)
if [ "$version" != 3.11 ]; then
    echo "error: Python 3.11 is needed, found $version" >&2
    echo "  next:  apt-get install python3 python3-venv   (Debian 12), or: make PYTHON=/path/to/python3.11" >&2
    exit 1
fi

# Debian splits venv's pip off into a package of its own.
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    if [ "$(id -u)" = 0 ]; then
        echo "installing python3-venv" >&2
        apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
    else
        echo "error: the venv module of Python is not installed" >&2
        echo "  next:  sudo apt-get install python3-venv" >&2
        exit 1
    fi
fi

echo "preparing $venv" >&2
"$python" -m venv --clear "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$lock"
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
