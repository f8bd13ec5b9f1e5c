#!/bin/sh
# Makes the base file system of the machine image.
#   base.sh OUT.tar SUITE SOURCES_FILE
# Mirrors, proxies and keys are those of this machine's own apt configuration.
set -eu
out=$1 suite=$2 sources=$3
packages=$(grep -v '^#' "$(dirname "$0")/packages" | paste -sd, -)
exec mmdebstrap --variant=minbase --format=tar --include="$packages" \
    --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$suite" "$out" "$sources"
