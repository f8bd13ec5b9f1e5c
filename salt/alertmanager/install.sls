{% from 'alertmanager/map.jinja' import alertmanager with context %}

# The package's own unit listens for everybody, without TLS: ours takes its place.
keep the packaged alertmanager unit off:
  file.symlink:
    - name: /etc/systemd/system/prometheus-alertmanager.service
    - target: /dev/null

install alertmanager:
  pkg.installed:
    - pkgs: {{ alertmanager.packages | json }}
    - install_recommends: False
    - require:
      - file: keep the packaged alertmanager unit off
