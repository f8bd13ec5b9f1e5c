#!/bin/bash
# The floor: what starting the same services takes without any tool. For every line "NODE UNIT..." on standard input,
# copy $2/NODE.tar.gz over SSH, unpack it and start the units; all nodes at once. $1 is the ssh configuration.
set -euo pipefail
config=$1 folder=$2
while read -r node units; do
    # shellcheck disable=SC2029  # the units are meant to be expanded here
    ssh -F "$config" "$node" "tar -xz -C / && systemctl daemon-reload && systemctl enable --quiet --now $units" \
        <"$folder/$node.tar.gz" &
done
for job in $(jobs -p); do wait "$job"; done
