#!/bin/sh
# First step of a bake, inside the container: what a machine needs before states can be applied.
# /run/utopia-bake holds the inputs (read-only).
set -eu
bake=/run/utopia-bake

echo "step: package lists"
apt-get --quiet --quiet update
missing=$(grep -v '^#' "$bake/image/packages" | xargs dpkg-query --show --showformat '' 2>&1 |
    sed -n 's/^dpkg-query: no packages found matching //p')
if [ -n "$missing" ]; then # a base image that was given to us
    echo "step: base packages"
    # shellcheck disable=SC2086 - a list of words
    DEBIAN_FRONTEND=noninteractive apt-get --quiet --quiet --yes --no-install-recommends install $missing
fi

# The image leaves manual pages out; Java's packages fail where not even their folders are.
for section in 1 2 3 4 5 6 7 8; do install -d "/usr/share/man/man$section"; done

echo "step: Salt"
sh "$bake/salt-venv/install.sh" "$bake/wheelhouse"

echo "step: artifacts"
install -d /var/cache/utopia/artifacts
if [ -d "$bake/artifacts" ]; then cp "$bake"/artifacts/* /var/cache/utopia/artifacts/; fi

# One host key of its own for each machine, made at its first boot. Ed25519 alone: an RSA key takes seconds.
echo "step: sshd"
install -d /etc/systemd/system/ssh.service.d /etc/ssh/sshd_config.d
cat >/etc/systemd/system/ssh.service.d/10-host-key.conf <<'UNIT'
[Service]
ExecStartPre=
ExecStartPre=/bin/sh -c 'test -s /etc/ssh/ssh_host_ed25519_key || ssh-keygen -q -t ed25519 -N "" -C "" -f /etc/ssh/ssh_host_ed25519_key'
ExecStartPre=/usr/sbin/sshd -t
UNIT
cat >/etc/ssh/sshd_config.d/10-utopia.conf <<'SSHD'
HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UseDNS no
MaxSessions 64
MaxStartups 64:30:128
SSHD

echo "step: units"
sh "$bake/image/container.sh"
systemctl enable --quiet ssh.service
