{% from 'zookeeper/map.jinja' import zookeeper with context %}

make the zookeeper user:
  user.present:
    - name: zookeeper
    - system: True
    - usergroup: True
    - home: {{ zookeeper.data_dir }}
    - createhome: False
    - shell: /usr/sbin/nologin

# Only the jars: the daemon package of the distribution starts a server at once, with its data in /tmp,
# and systemd does not notice when that server dies.
install zookeeper:
  pkg.installed:
    - pkgs: {{ zookeeper.packages | json }}
    - install_recommends: False
