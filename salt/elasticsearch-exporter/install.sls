{% from 'elasticsearch-exporter/map.jinja' import elasticsearch_exporter with context %}

# The package's own unit listens for everybody, with the password in its arguments: ours takes its place.
keep the packaged elasticsearch-exporter unit off:
  file.symlink:
    - name: /etc/systemd/system/prometheus-elasticsearch-exporter.service
    - target: /dev/null

install elasticsearch-exporter:
  pkg.installed:
    - pkgs: {{ elasticsearch_exporter.packages | json }}
    - install_recommends: False
    - require:
      - file: keep the packaged elasticsearch-exporter unit off
