make the folders of mesos:
  file.directory:
    - names: [/etc/mesos, /var/lib/mesos]
    - mode: '0755'
