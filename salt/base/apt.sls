# Where this node's packages come from, where the settings say so; else apt stays as the machine's owner set it up.
{% from 'base/map.jinja' import base with context %}
{%- set ours = '/etc/utopia/apt' %}
{%- set named = base.apt_sources or base.apt_from_admin %}
{%- set chosen = named or base.apt_proxy %}

{%- if chosen %}

configure how apt fetches:
  file.managed:
    - name: /etc/apt/apt.conf.d/60-utopia
    - source: salt://base/files/apt.conf
    - template: jinja
    - context: {{ {'base': base, 'folder': ours} | json }}
{%- else %}

leave apt as the owner of the machine set it up:
  file.absent:
    - name: /etc/apt/apt.conf.d/60-utopia
{%- endif %}
{%- if base.apt_from_admin %}

keep the key of the packages of the admin node:
  file.managed:
    - name: {{ ours }}/admin.asc
    - contents_pillar: packages:key
    - makedirs: True
    - require_in:
      - file: name the sources of packages
{%- endif %}
{%- if named %}

name the sources of packages:
  file.managed:
    - name: {{ ours }}/utopia.sources
    - source: salt://base/files/utopia.sources
    - template: jinja
    - makedirs: True
    - context: {{ {'base': base, 'folder': ours} | json }}
{%- endif %}
{%- if chosen %}

read the lists of packages when apt is new to its sources:
  cmd.run:
    - name: apt-get --quiet --quiet update --error-on=any
    - onchanges:
      - file: configure how apt fetches
{%- if named %}
      - file: name the sources of packages
{%- endif %}
{%- endif %}
