# Where machines are containers their engine writes the hosts file anew at every start: put ours back at boot.

keep a copy of the hosts file:
  file.managed:
    - name: /etc/utopia/hosts
    - source: salt://base/files/hosts
    - template: jinja

write the unit that restores the hosts file:
  file.managed:
    - name: /etc/systemd/system/utopia-hosts.service
    - source: salt://base/files/utopia-hosts.service

restore the hosts file at boot:
  file.symlink:
    - name: /etc/systemd/system/sysinit.target.wants/utopia-hosts.service
    - target: /etc/systemd/system/utopia-hosts.service
