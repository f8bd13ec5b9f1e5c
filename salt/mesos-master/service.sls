{% from 'mesos-master/map.jinja' import mesos_master with context %}

write the mesos-master unit:
  file.managed:
    - name: /etc/systemd/system/mesos-master.service
    - source: salt://mesos-master/files/mesos-master.service
    - template: jinja
    - context: {{ {'flags': mesos_master.flags} | json }}

mark mesos-master for a restart when it runs with old files:
  restart.marked:
    - name: mesos-master
    - files:
      - /etc/systemd/system/mesos-master.service
      - /etc/mesos/master.env
      - /etc/mesos/master-credentials.json
      - /etc/mesos/zk
      - /var/lib/dpkg/info/utopia-mesos.list

# Who could write there could name itself the leading master, and agents would follow.
keep others out of the elections of mesos masters:
  znode.protected:
    - name: {{ pillar.mesos.zk_path }}
    - user: mesos
    - secret: zookeeper-mesos

start mesos-master:
  service.running:
    - name: mesos-master
    - enable: True
    - require:
      - pkg: install mesos
      - file: write the mesos-master unit
      - file: configure the mesos master
      - znode: keep others out of the elections of mesos masters

wait until mesos-master is ready:
  readiness.wait:
    - name: mesos-master
    - timeout: {{ mesos_master.ready_timeout }}
    - require:
      - service: start mesos-master

tell whether mesos-master waits for a restart:
  restart.pending:
    - name: mesos-master
