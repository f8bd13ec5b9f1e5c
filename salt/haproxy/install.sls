{% from 'haproxy/map.jinja' import haproxy with context %}

install haproxy:
  pkg.installed:
    - pkgs: {{ haproxy.packages | json }}
    - install_recommends: False

# Whoever fills the role ingress runs as this user: it alone writes the configuration and speaks to the sockets.
make the user of haproxy's configuration:
  user.present:
    - name: haproxy-admin
    - system: True
    - usergroup: True
    - home: /nonexistent
    - createhome: False
    - shell: /usr/sbin/nologin
