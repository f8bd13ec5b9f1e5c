{% from 'base/map.jinja' import base with context %}

make the folders of the platform:
  file.directory:
    - names: [/etc/utopia, /var/lib/utopia/restart-needed, /var/cache/utopia/artifacts]
    - makedirs: True
    - mode: '0755'

leave the first start of services to Salt:
  file.managed:
    - name: /usr/sbin/policy-rc.d
    - source: salt://base/files/policy-rc.d
    - mode: '0755'

keep services off until their role asks for them:
  file.managed:
    - name: /etc/systemd/system-preset/10-utopia.preset
    - source: salt://base/files/utopia.preset
    - makedirs: True

install base packages:
  pkg.installed:
    - pkgs: {{ base.packages | json }}
    - install_recommends: False
    - require:
      - file: leave the first start of services to Salt
