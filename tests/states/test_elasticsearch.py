"""The log index: who may form a cluster, and how another version gets to run."""

from __future__ import annotations

import copy

from bootstrap import paths


def test_no_configuration_lets_a_member_form_a_cluster(rendered):
    """Only the state `forming` does, while there has never been one; its file goes when there is."""
    told = [
        f"{node}: {path}"
        for node, answer in rendered.items()
        for path, text in answer["files"].items()
        if "initial_master_nodes" in text
    ]
    assert told == []


def test_a_member_that_joins_differs_from_the_first_in_its_own_names_alone(rendered):
    first, second = (
        rendered[f"local/{node}"]["files"]["/etc/elasticsearch/elasticsearch.yml"].splitlines()
        for node in ("control-1", "control-2")
    )
    differing = {line.split(":")[0] for pair in zip(first, second, strict=True) if len(set(pair)) > 1 for line in pair}
    assert differing == {"node.name", "network.host"}


def test_another_version_marks_the_member_for_its_turn(render, minions):
    """The unit names the version, and the mark looks at the unit."""
    pillar = copy.deepcopy(minions("local")["local/control-1"]["pillar"])
    del pillar["artifacts"]["files"]["elasticsearch-full"]  # an environment has one of the two
    pillar["artifacts"]["files"]["elasticsearch-small"] |= {"version": "8.19.99", "file": "elasticsearch-8.19.99.zip"}
    answer = render(paths.SALT, {"a": {"pillar": pillar}})["a"]
    unit = "/etc/systemd/system/elasticsearch.service"
    assert "/opt/elasticsearch/elasticsearch-8.19.99/bin/elasticsearch" in answer["files"][unit]
    (mark,) = [c for c in answer["chunks"] if c["fun"] == "marked" and c["name"] == "elasticsearch"]
    assert unit in mark["files"]
    (unpacked,) = [c for c in answer["chunks"] if c["__id__"] == "unpack elasticsearch"]
    assert unpacked["source"].endswith("elasticsearch-8.19.99.zip")
