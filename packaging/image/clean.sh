#!/bin/sh
# Last step of a bake: nothing of the bake and nothing that must differ between machines stays.
set -eu
rm -rf /var/tmp/utopia-bake /root/.cache /root/.ssh /tmp/*
rm -f /etc/ssh/ssh_host_*
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id
ln -s /etc/machine-id /var/lib/dbus/machine-id
apt-get clean
rm -rf /var/lib/apt/lists/*
find /var/log -type f -delete
rm -f /var/lib/systemd/random-seed /etc/resolv.conf.dpkg-*
