#!/bin/sh
# What a container that boots systemd must not do, or has no use for. Run inside, before its first boot.
set -eu
# Debian's defaults for the kernel are the host's own business: applied in a container they would change the host.
for file in /usr/lib/sysctl.d/*.conf; do ln -sf /dev/null "/etc/sysctl.d/$(basename "$file")"; done

# What a container has no use for, or what would change the machine behind Salt's back. Each manager of a user's
# session, each watched path costs inotify instances, of which the kernel gives all machines together 128.
systemctl mask --quiet \
    getty.target getty-static.service console-getty.service getty@.service serial-getty@.service \
    apt-daily.timer apt-daily-upgrade.timer apt-daily.service apt-daily-upgrade.service \
    e2scrub_all.timer e2scrub_reap.service fstrim.timer dpkg-db-backup.timer \
    systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket systemd-udevd-kernel.socket \
    systemd-firstboot.service systemd-modules-load.service sys-kernel-config.mount sys-kernel-debug.mount \
    sys-kernel-tracing.mount dev-hugepages.mount dev-mqueue.mount systemd-remount-fs.service \
    systemd-update-utmp-runlevel.service hwclock.service user@.service systemd-logind.service \
    systemd-ask-password-console.path systemd-ask-password-wall.path systemd-pstore.service
