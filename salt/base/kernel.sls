# What belongs to the kernel of a whole machine: left out where machines are containers that share one.
{% from 'base/map.jinja' import base with context %}

write the kernel settings of the host:
  file.managed:
    - name: /etc/sysctl.d/61-utopia-host.conf
    - source: salt://base/files/sysctl.conf
    - template: jinja
    - context: {{ {'settings': base.sysctl_host} | json }}

apply the kernel settings of the host:
  cmd.run:
    - name: sysctl --quiet --load /etc/sysctl.d/61-utopia-host.conf
    - onchanges:
      - file: write the kernel settings of the host

switch swap off:
  machine.without_swap

keep swap off after a boot:
  file.replace:
    - name: /etc/fstab
    - pattern: '^([^#\n]\S*\s+\S+\s+swap\s.*)$'
    - repl: '# off, managed by Salt (salt/base/kernel.sls): \1'
    - ignore_if_missing: True

configure the clock:
  file.managed:
    - name: /etc/chrony/conf.d/60-utopia.conf
    - source: salt://base/files/chrony.conf
    - template: jinja
    - makedirs: True
    - context: {{ {'base': base} | json }}

keep the clock right:
  service.running:
    - name: chrony
    - enable: True
    - watch:
      - file: configure the clock
