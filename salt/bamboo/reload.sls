{%- for unit in ['bamboo-reload.service', 'bamboo-reload.path', 'bamboo-reload.timer'] %}

write {{ unit }}:
  file.managed:
    - name: /etc/systemd/system/{{ unit }}
    - source: salt://bamboo/files/{{ unit }}
    - require_in:
      - units: let systemd know the units of bamboo-reload
      - service: watch what bamboo writes
      - service: look after what bamboo wrote from time to time
{%- endfor %}

let systemd know the units of bamboo-reload:
  units.reread:
    - name: bamboo-reload
    - units: [bamboo-reload.service, bamboo-reload.path, bamboo-reload.timer]

write the reload step of bamboo:
  file.managed:
    - name: /usr/local/sbin/bamboo-reload
    - source: salt://bamboo/files/bamboo-reload
    - mode: '0755'

watch what bamboo writes:
  service.running:
    - name: bamboo-reload.path
    - enable: True
    - require:
      - file: write the reload step of bamboo

look after what bamboo wrote from time to time:
  service.running:
    - name: bamboo-reload.timer
    - enable: True
    - require:
      - file: write the reload step of bamboo
