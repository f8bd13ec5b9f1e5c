"""Every state of every node: it compiles, ids are unique, commands are guarded, secrets stay secret."""

from __future__ import annotations

import copy
from collections import defaultdict
from pathlib import Path

import pytest

from bootstrap import config, mirror, paths, plan
from bootstrap.cli.cluster import services

ENVIRONMENTS = sorted(path.parent.name for path in (paths.PILLAR / "env").glob("*/cluster.yaml"))
EXPENSIVE = {"creates", "onlyif", "unless"}  # Salt loads all its modules for them (salt/_states/once.py)


def all_chunks(rendered):
    for node, answer in rendered.items():
        for chunk in answer["chunks"]:
            yield node, chunk
        for chunks in answer["extra"].values():
            for chunk in chunks:
                yield node, chunk


def test_every_node_of_every_environment_compiles(rendered):
    assert {node.split("/")[0] for node in rendered} == {*ENVIRONMENTS, "newrelic", "aggregators", "bake"}
    assert {node: answer["errors"] for node, answer in rendered.items() if answer["errors"]} == {}


def test_every_component_of_a_node_has_states(rendered):
    for env in ENVIRONMENTS:
        for node in config.load(env).nodes:
            found = {chunk["__sls__"].split(".")[0] for chunk in rendered[f"{env}/{node.name}"]["chunks"]}
            roles = [config.load(env).roles[role] for role in ("base", *node.roles)]
            assert found == {name for role in roles for name in role.beside_roles(node.roles).components}


def test_every_sls_of_the_tree_was_rendered(rendered):
    seen = {chunk["__sls__"] for _, chunk in all_chunks(rendered)}
    files = {
        ".".join(path.relative_to(paths.SALT).with_suffix("").parts)
        for path in paths.SALT.glob("*/*.sls")
        if path.name != "init.sls"
    }
    assert files - seen == set()


def test_install_steps_need_next_to_no_pillar(rendered):
    steps = rendered["bake"]["extra"]
    assert {step.split(".")[0] for step in steps} >= {"base", "java", "zookeeper", "docker", "mesos", "artifact-server"}
    assert all(steps.values())


def test_no_install_step_touches_a_service(rendered):
    touched = [
        chunk["__id__"]
        for chunks in rendered["bake"]["extra"].values()
        for chunk in chunks
        if chunk["state"] in ("service", "restart", "readiness")
    ]
    assert touched == []


def test_ids_are_unique_in_the_whole_tree(rendered):
    homes = defaultdict(set)
    for _, chunk in all_chunks(rendered):
        homes[chunk["__id__"]].add(chunk["__sls__"])
    assert {name: sorted(sls) for name, sls in homes.items() if len(sls) > 1} == {}


def test_ids_are_sentences_that_begin_with_a_verb(rendered):
    for _, chunk in all_chunks(rendered):
        words = chunk["__id__"].split()
        assert len(words) > 1, chunk["__id__"]
        assert words[0].isalpha() and words[0].islower(), chunk["__id__"]


def test_commands_are_guarded(rendered):
    commands = [chunk for _, chunk in all_chunks(rendered) if chunk["state"] == "cmd"]
    assert commands
    assert {chunk["__id__"] for chunk in commands if "onchanges" not in chunk} == set()


def test_no_state_makes_salt_load_everything(rendered):
    assert {chunk["__id__"] for _, chunk in all_chunks(rendered) if EXPENSIVE & set(chunk)} == set()


def test_a_clustered_service_is_never_restarted_by_a_change(rendered):
    rolled = {service for env in ENVIRONMENTS for service in services(config.load(env))}
    assert rolled
    for _, chunk in all_chunks(rendered):
        if chunk["state"] == "service" and chunk["name"] in rolled:
            assert not {"watch", "watch_any", "listen"} & set(chunk), chunk["__id__"]


def test_every_rolled_service_can_be_marked_asked_and_restarted(rendered):
    cluster = config.load("local")
    for node in cluster.nodes:
        answer = rendered[f"local/{node.name}"]
        for role in (cluster.roles[name] for name in node.roles):
            for service in role.beside_roles(node.roles).restart:
                named = [c for c in answer["chunks"] if service in (c["name"], c.get("unit"))]
                calls = {(c["state"], c["fun"]) for c in named}
                assert {("restart", "marked"), ("restart", "pending"), ("readiness", "wait")} <= calls
                steps = [(c["state"], c["fun"]) for c in answer["extra"][f"{service}.restart"]]
                # A service may have steps of its own around these: the log index holds its shards where they are.
                bare = [step for step in steps if step[0] in ("restart", "readiness")]
                assert bare == [("restart", "performed"), ("readiness", "wait"), ("restart", "done")]
                assert steps[-1] == ("restart", "done"), "what comes after the mark is gone is not made up for"


# Files that a running service reads anew by itself.
REREAD = {"/etc/elasticsearch/users", "/etc/elasticsearch/users_roles", "/etc/elasticsearch/roles.yml"}
REREAD |= {"/etc/prometheus/web.yml", "/etc/alertmanager/web.yml"}
REREAD |= {"/etc/apt/sources.list.d/newrelic-infra.sources"}  # apt is asked, not the agent


def test_the_mark_looks_at_every_file_the_service_reads(rendered):
    """A rendered file of a rolled component that no mark names would change without any effect."""
    for node, answer in rendered.items():
        marks = {c["__sls__"].split(".")[0]: set(c["files"]) for c in answer["chunks"] if c["fun"] == "marked"}
        reloads = {path for c in answer["chunks"] if c["fun"] == "reloaded" for path in c["files"]}
        for chunk in answer["chunks"]:
            component = chunk["__sls__"].split(".")[0]
            if component in marks and chunk["state"] == "file" and str(chunk.get("source", "")).startswith("salt://"):
                known = marks[component] | reloads | REREAD
                assert chunk["name"] in known or chunk.get("replace") is False, f"{node}: {chunk['__id__']}"


def test_a_unit_that_changes_is_read_again(rendered):
    """By the mark of its service, or where a timer starts it, by itself: systemd goes on with what it has read."""
    for node, answer in rendered.items():
        chunks = answer["chunks"]
        marked = {path for c in chunks if c["fun"] == "marked" for path in c["files"]}
        known = {f"/etc/systemd/system/{unit}" for c in chunks if c["fun"] == "reread" for unit in c["units"]}
        known |= {"/etc/systemd/system/utopia-hosts.service"}  # once per boot
        written = {c["name"] for c in chunks if c["fun"] == "managed" and c["name"].startswith("/etc/systemd/system/")}
        assert {path for path in written if path not in marked | known} == set(), node


def test_secrets_reach_only_private_files(rendered):
    found = set()
    for node, answer in rendered.items():
        modes = {c["name"]: c for c in answer["chunks"] if c["state"] == "file"}
        for path, text in answer["files"].items():
            if "secret-of-" in text or "superDigest" in text:  # the key of a certificate is one, too
                chunk = modes[path]
                assert chunk.get("mode") == "0600", f"{node}: {path}"
                assert chunk.get("show_changes") is False, f"{node}: {path}"
                found.add(path)
    assert len(found) == 32


def test_no_state_carries_a_secret_in_its_arguments(rendered):
    for _, chunk in all_chunks(rendered):
        assert "secret-of-" not in str({key: value for key, value in chunk.items() if key != "__pub"}), chunk["__id__"]


def test_rendered_files_say_where_to_edit_them(rendered):
    for node, answer in rendered.items():
        sources = {c["name"]: c["source"] for c in answer["chunks"] if "source" in c and c["state"] == "file"}
        secrets = {"/etc/mesos/zk", "/etc/mesos/executor-key"}  # read whole by Mesos: no room for a comment
        secrets |= {path for path in answer["files"] if path.endswith(("-login", "-password", "-secret", ".pem"))}
        for path, text in answer["files"].items():
            assert not text.startswith("NOT RENDERED"), text
            if path.endswith(".json") or path in secrets:
                continue
            name = sources[path].removeprefix("salt://")
            head = "\n".join(text.splitlines()[:2])
            assert f"# managed by Salt - edit salt/{name}" in head, f"{node}: {path}"


def test_role_table_names_components_and_probes_that_exist():
    source = (paths.SALT / "_modules" / "readiness.py").read_text(encoding="utf-8")
    roles = config.load("local").roles
    for role in (row.beside_roles(roles) for row in roles.values()):
        assert all((paths.SALT / name / "init.sls").exists() for name in role.components), role.name
        if role.probe:
            assert f'"{role.probe}": _' in source, role.name


@pytest.mark.parametrize(
    ("sls", "finding"),
    [
        ("do this twice:\n  test.nop: []\ndo this twice:\n  test.nop: []\n", "do this twice"),
        ("need what is missing:\n  test.nop:\n    - require:\n      - file: not there\n", "not there"),
        ("call what is missing:\n  restart.forgotten:\n    - name: x\n", "restart.forgotten"),
        ("look up what is missing: {{ pillar.nothing.here }}\n", "nothing"),
    ],
)
def test_the_renderer_finds_what_is_wrong(render, tmp_path: Path, sls: str, finding: str):
    (tmp_path / "top.sls").write_text("base: {'*': [broken]}\n", encoding="utf-8")
    (tmp_path / "broken.sls").write_text(sls, encoding="utf-8")
    answer = render(tmp_path, {"a": {"pillar": {}}})["a"]
    assert finding in str(answer["errors"])


def test_an_agent_without_resources_in_the_topology_offers_what_was_measured_once(render, minions):
    pillar = copy.deepcopy(minions("local")["local/agent-1"]["pillar"])
    pillar["node"]["resources"] = {}
    answer = render(paths.SALT, {"a": {"pillar": pillar}})["a"]
    assert answer["errors"] == []
    kept = [chunk for chunk in answer["chunks"] if chunk["name"] == "/var/lib/utopia/mesos-agent-resources"]
    assert kept[0]["replace"] is False
    assert f'MESOS_RESOURCES="{kept[0]["contents"]}"' in answer["files"]["/etc/mesos/agent.env"]


PACKAGES = {
    "key": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
    "release": "ab" * 32,
    "url": "https://172.30.10.10:8443/apt/",
    "folder": "/srv/utopia/apt",
    "host": "172.30.10.10",
}


@pytest.mark.parametrize(
    ("node", "base", "sources", "conf"),
    [
        ("edge-1", {"apt_from_admin": True}, "URIs: https://172.30.10.10:8443/apt/\nSuites: ./", "CaInfo"),
        ("admin-1", {"apt_from_admin": True}, "URIs: file:/srv/utopia/apt\nSuites: ./", "SourceParts"),
        (
            "edge-1",
            {
                "apt_sources": [
                    {"uri": "http://m/debian", "suites": ["bookworm", "bookworm-updates"], "components": ["main"]}
                ]
            },
            "URIs: http://m/debian\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /usr/share/",
            "SourceParts",
        ),
        ("edge-1", {"apt_proxy": "http://proxy:3128"}, None, 'Acquire::http::Proxy "http://proxy:3128";'),
        ("edge-1", {}, None, None),
    ],
)
def test_where_packages_come_from(render, minions, node, base, sources, conf):
    minion = copy.deepcopy(minions("local")[f"local/{node}"])
    minion["pillar"]["settings"]["base"] = base
    minion["pillar"] |= {"packages": PACKAGES} if "apt_from_admin" in base else {}
    answer = render(paths.SALT, {"local/x": minion})["local/x"]
    assert answer["errors"] == []
    files = answer["files"]
    assert (sources is None) == ("/etc/utopia/apt/utopia.sources" not in files)
    assert sources is None or sources in files["/etc/utopia/apt/utopia.sources"]
    assert (conf is None) == ("/etc/apt/apt.conf.d/60-utopia" not in files)
    assert conf is None or conf in files["/etc/apt/apt.conf.d/60-utopia"]
    if node == "admin-1":
        assert "alias /srv/utopia/apt/;" in files["/etc/nginx/nginx.conf"]


def test_a_mirror_has_every_package_that_a_state_installs(rendered):
    """What is installed in another way than by `packages` of a component would be missing in a closed network."""
    for env in ENVIRONMENTS:
        made = plan.make(config.load(env))
        mirrored = set(mirror.packages(made))
        chunks = [c for name in made.node_pillar for c in rendered[f"{env}/{name}"]["chunks"] if c["state"] == "pkg"]
        wanted = {p for c in chunks if "sources" not in c for p in c.get("pkgs", [c["name"]])}
        assert wanted <= mirrored
