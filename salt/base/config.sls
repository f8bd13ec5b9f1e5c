{% from 'base/map.jinja' import base with context %}

name the nodes in the hosts file:
  file.managed:
    - name: /etc/hosts
    - source: salt://base/files/hosts
    - template: jinja

check that the machine has its name:
  machine.named:
    - name: {{ pillar.node.name }}
    - address: {{ pillar.node.address }}
    - require:
      - file: name the nodes in the hosts file

bound the journal:
  file.managed:
    - name: /etc/systemd/journald.conf.d/60-utopia.conf
    - source: salt://base/files/journald.conf
    - template: jinja
    - makedirs: True
    - context: {{ {'base': base} | json }}

let the journal daemon read its bounds:
  cmd.run:
    - name: systemctl restart systemd-journald.service
    - onchanges:
      - file: bound the journal

raise the limits of users:
  file.managed:
    - name: /etc/security/limits.d/60-utopia.conf
    - source: salt://base/files/limits.conf
    - template: jinja
    - context: {{ {'base': base} | json }}

write the network settings of the kernel:
  file.managed:
    - name: /etc/sysctl.d/60-utopia-network.conf
    - source: salt://base/files/sysctl.conf
    - template: jinja
    - context: {{ {'settings': base.sysctl} | json }}

apply the network settings of the kernel:
  cmd.run:
    - name: sysctl --quiet --load /etc/sysctl.d/60-utopia-network.conf
    - onchanges:
      - file: write the network settings of the kernel
