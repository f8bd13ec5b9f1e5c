#!/bin/sh
# Makes a venv from a wheelhouse (see bootstrap/wheelhouse.py), without any network.
#   install.sh WHEELHOUSE [TARGET] [MODULE]   MODULE: what must be importable from it; by default Salt's venv is made
# Used while the machine image is baked, and over SSH on existing machines. May be repeated: a venv with
# the wheelhouse's stamp is left alone. Needs python3 only: no pip, no ensurepip.
set -eu
wheelhouse=$1 target=${2:-/opt/saltstack/salt} module=${3:-salt.client}
python=${PYTHON:-/usr/bin/python3}
stamp=$(cat "$wheelhouse/STAMP")
if [ "$(cat "$target/.stamp" 2>/dev/null || true)" = "$stamp" ]; then
    echo "unchanged: $target"
    exit 0
fi
(cd "$wheelhouse" && sha256sum --check --strict --quiet SHA256SUMS)
mkdir -p "$(dirname "$target")"
# Scripts of a venv name its path, so it is built in place; the old one waits beside it until the new one is whole.
old=$target.old
if [ -e "$target/.stamp" ]; then
    rm -rf "$old"
    mv "$target" "$old"
fi
restore() {
    rm -rf "$target"
    if [ -e "$old" ]; then mv "$old" "$target"; fi
}
trap restore EXIT
trap 'exit 1' INT TERM HUP
rm -rf "$target"
"$python" -m venv --without-pip "$target"
set -- "$wheelhouse"/pip-[0-9]*.whl
pip=$1
set --
for wheel in "$wheelhouse"/*.whl; do
    if [ "$wheel" != "$pip" ]; then set -- "$@" "$wheel"; fi
done
PYTHONPATH="$pip" "$target/bin/python" -m pip --isolated install --quiet --no-index --no-deps \
    --disable-pip-version-check --root-user-action=ignore "$@"
"$target/bin/python" -c "import $module"
echo "$stamp" >"$target/.stamp"
trap - EXIT
rm -rf "$old"
echo "changed: $target"
