{% from 'node-exporter/map.jinja' import node_exporter with context %}

# The package's own unit listens for everybody, without TLS: ours takes its place.
keep the packaged node-exporter unit off:
  file.symlink:
    - name: /etc/systemd/system/prometheus-node-exporter.service
    - target: /dev/null

install node-exporter:
  pkg.installed:
    - pkgs: {{ node_exporter.packages | json }}
    - install_recommends: False
    - require:
      - file: keep the packaged node-exporter unit off
