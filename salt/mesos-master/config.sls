{% from 'mesos-master/map.jinja' import mesos_master with context %}

make the folder of the mesos master:
  file.directory:
    - name: {{ mesos_master.flags.work_dir }}
    - user: mesos
    - group: mesos
    - mode: '0750'

give the mesos master its way into zookeeper:
  file.managed:
    - name: /etc/mesos/zk
    - source: salt://mesos-master/files/zk
    - template: jinja
    - user: mesos
    - mode: '0600'
    - show_changes: False

give the mesos master the credentials it checks:
  file.managed:
    - name: /etc/mesos/master-credentials.json
    - source: salt://mesos-master/files/credentials.json
    - template: jinja
    - user: mesos
    - mode: '0600'
    - show_changes: False

configure the mesos master:
  file.managed:
    - name: /etc/mesos/master.env
    - source: salt://mesos-master/files/master.env
    - template: jinja
    - context: {{ {'flags': mesos_master.flags} | json }}
