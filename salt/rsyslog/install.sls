{% from 'rsyslog/map.jinja' import rsyslog with context %}

install rsyslog:
  pkg.installed:
    - pkgs: {{ rsyslog.packages | json }}
    - install_recommends: False

# It reads the logs of every container, and is nobody else.
make the user of the log shipper:
  user.present:
    - name: log-shipper
    - system: True
    - usergroup: True
    - home: /nonexistent
    - createhome: False
    - shell: /usr/sbin/nologin
    - optional_groups: [systemd-journal]
