"""The image's tag changes with what goes into it, and with nothing else; the bake's verdict is honest."""

from dataclasses import replace
from pathlib import Path

import pytest

from bootstrap import apt_sources, baking, config, image
from bootstrap.artifacts import Artifact
from bootstrap.errors import MachinesError

FILES = {
    "packaging/image/base.sh": "base",
    "packaging/image/packages": "systemd",
    "packaging/image/task/build.py": "task",
    "packaging/salt/requirements.lock": "salt==1",
    "packaging/salt/install.sh": "install",
    "salt/base/install.sls": "source: salt://base/files/policy-rc.d",
    "salt/base/config.sls": "config",
    "salt/base/defaults.yaml": "a: 1",
    "salt/base/map.jinja": "map",
    "salt/base/files/policy-rc.d": "exit 101",
    "salt/base/files/other": "other",
    "salt/java/install.sls": "java",
}
ARTIFACTS = {"mesos": Artifact("mesos", "1", "m.deb", "aa", 1, "MIT", None, Path("m.deb"))}


@pytest.fixture
def checkout(tmp_path):
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


def key(checkout, components=("base", "java"), artifacts=ARTIFACTS, base="base:1"):
    return image.key(components, artifacts, base, checkout)


@pytest.mark.parametrize(
    ("name", "matters"),
    [
        ("packaging/image/base.sh", True),
        ("packaging/image/packages", True),
        ("packaging/image/task/build.py", False),  # its result is an artifact
        ("packaging/salt/requirements.lock", True),
        ("packaging/salt/install.sh", True),
        ("salt/base/install.sls", True),
        ("salt/base/defaults.yaml", True),
        ("salt/base/map.jinja", True),
        ("salt/base/files/policy-rc.d", True),  # named by the install step
        ("salt/base/files/other", False),
        ("salt/base/config.sls", False),  # converging applies it
        ("salt/java/install.sls", True),
    ],
)
def test_files_that_matter(checkout, name, matters):
    before = key(checkout)
    (checkout / name).write_text("source: salt://base/files/policy-rc.d # changed")
    assert (key(checkout) != before) is matters


def test_components_artifacts_and_base_matter(checkout):
    keys = {
        key(checkout),
        key(checkout, components=("base",)),
        key(checkout, components=("java", "base")),
        key(checkout, artifacts={}),
        key(checkout, artifacts={"mesos": replace(ARTIFACTS["mesos"], sha256="bb")}),
        key(checkout, base="base:2"),
    }
    assert len(keys) == 6
    assert key(checkout) == key(checkout)


def test_where_an_artifact_lies_does_not_matter(checkout):
    moved = {"mesos": replace(ARTIFACTS["mesos"], path=Path("/elsewhere"))}
    assert key(checkout, artifacts=moved) == key(checkout)


def test_old_images_go_and_nothing_that_is_not_ours():
    def facts(number, *, tag=None, label=None):
        name = f"utopia-machine:{number}"
        labels = {"utopia.image": label or name}
        return {"Created": f"2026-01-0{number}", "RepoTags": [tag or name], "Config": {"Labels": labels}}

    images = [facts(number) for number in (4, 2, 5, 1, 3)]
    assert image.superseded(images, "utopia-machine:5") == ["utopia-machine:2", "utopia-machine:1"]
    assert image.superseded(images, "utopia-machine:1") == ["utopia-machine:2"]
    foreign = [facts(1, tag="mine:1"), facts(2, label="utopia-base:x"), {**facts(3), "RepoTags": []}]
    assert image.superseded([*images[:3], *foreign], "utopia-machine:5") == []


@pytest.mark.parametrize(
    ("result", "problems"),
    [
        ({"local": {"a": {"result": True, "comment": ""}}}, []),
        (
            {
                "local": {
                    "a": {"result": False, "__sls__": "java.install", "__id__": "install java", "comment": "no\nway"}
                }
            },
            ["java.install: install java: no | way"],
        ),
        ({"local": {"a": {"result": None, "__id__": "x", "comment": "would"}}}, ["?: x: would"]),
        ({"local": ["Rendering SLS failed"]}, ["Rendering SLS failed"]),
        ({"local": {}}, ['not a result of states: {"local": {}}']),
        ({}, ["not a result of states: {}"]),
        (None, ["not a result of states: null"]),
    ],
)
def test_verdict_of_a_bake(result, problems):
    assert baking.failures(result) == problems


def test_pillar_of_a_bake():
    assert baking.pillar(["base"], ARTIFACTS) == {
        "settings": {},
        "components": ["base"],
        "artifacts": {"files": {"mesos": {"file": "m.deb", "sha256": "aa", "version": "1"}}},
    }


DEB822 = """\
Types: deb
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
"""
ONE_LINE = """\
# deb http://comment.example/debian bookworm main
deb [arch=amd64 signed-by=/etc/k.gpg] http://security.example/debian-security bookworm-security main
deb-src http://source.example/debian bookworm main
deb http://vendor.example/apt stable main
"""


def test_apt_sources_are_this_machines_without_other_vendors(tmp_path):
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/debian.sources").write_text(DEB822)
    (tmp_path / "sources.list").write_text(ONE_LINE)
    text = apt_sources.text(tmp_path)
    assert "URIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n" in text
    assert "Suites: bookworm-security\nComponents: main\nSigned-By: /etc/k.gpg\n" in text
    for other in ("off.example", "comment.example", "source.example", "vendor.example", "backports"):
        assert other not in text


def test_without_sources_for_debian_12_the_fix_is_named(tmp_path):
    (tmp_path / "sources.list").write_text("deb http://archive.ubuntu.example/ubuntu noble main\n")
    with pytest.raises(MachinesError) as error:
        apt_sources.text(tmp_path)
    assert "bookworm" in error.value.what and "driver.base" in error.value.next_step


def test_a_small_environment_can_share_the_image_of_a_large_one():
    small, local = config.load("small"), config.load("local")
    (node,) = small.with_role("admin")
    admin = replace(small, nodes=(replace(node, roles=("admin",)),))
    assert image.component_order(image.image_roles(admin)) == ("base", "artifact-server")
    shared = replace(admin, driver_settings={"image_of": "local"})
    assert image.image_roles(shared) == [role for role in local.roles.values() if local.with_role(role.name)]
