"""A mirror: made from packages of our own, checked file by file, taken over into another store."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from bootstrap import catalogue, config, mirror, package_key, package_repository, paths, plan, wheelhouse
from bootstrap.admin_packages import find
from bootstrap.artifacts import Store, file_sha256
from bootstrap.catalogue import Entry, Source
from bootstrap.errors import ArtifactError, UsageError
from bootstrap.package_key import PackageKey


def quiet(_node: str, _text: str) -> None:
    pass


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("UTOPIA_CACHE_DIR", str(tmp_path / "cache"))


def deb(folder: Path, name: str) -> Path:
    """A package without content."""
    tree = folder / name / "DEBIAN"
    tree.mkdir(parents=True)
    control = f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.com>\nDescription: none\n"
    (tree / "control").write_text(control)
    file = folder / f"{name}_1_all.deb"
    subprocess.run(["dpkg-deb", "--build", "-Znone", str(tree.parent), str(file)], check=True, capture_output=True)
    shutil.rmtree(tree.parent)
    return file


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    file = tmp_path / "source.tgz"
    file.write_bytes(b"an archive")
    sources = (Source("url", file.as_uri()),)
    return Entry("archive", "1", "archive.tgz", file_sha256(file), 10, "MIT", None, None, sources)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: Entry) -> Path:
    """The mirror of environment `small` with one artifact, two packages and one wheel; a folder."""

    def fetch(_packages: object, _files: object, folder: Path, _progress: object) -> None:
        folder.mkdir(parents=True)
        for name in ("curl", "nginx-light"):
            deb(folder, name)

    wheels = tmp_path / "wheels" / "key"
    wheels.mkdir(parents=True)
    (wheels / "salt.whl").write_bytes(b"wheel")
    monkeypatch.setattr(package_repository, "fetch", fetch)
    monkeypatch.setattr(wheelhouse, "ensure", lambda _progress: wheels)
    monkeypatch.setattr(wheelhouse, "key", lambda: "key")
    monkeypatch.setattr(catalogue, "load", lambda *_: {"archive": entry})
    wanted = replace(plan.make(config.load("small")), artifacts=("archive",))
    mirror.make(wanted, tmp_path / "mirror", quiet)
    return tmp_path / "mirror"


def test_packages_are_those_of_the_components_and_settings() -> None:
    cluster = config.load("small")
    found = mirror.packages(plan.make(cluster))
    assert {"curl", "docker.io", "haproxy", "nginx-light", "openjdk-17-jre-headless", "libzookeeper-java"} <= set(found)
    assert "utopia-mesos" not in found
    assert len(found) == len(set(found))
    other = replace(cluster, settings={**cluster.settings, "java": {"package": "temurin-17-jre"}})
    assert "temurin-17-jre" in mirror.packages(plan.make(other))


def test_a_mirror_is_whole_and_says_who_made_it(made: Path) -> None:
    manifest = mirror.verify(made)
    assert manifest["packages"] == 2
    assert manifest["key"] == PackageKey("small", quiet).fingerprint()
    assert {"artifacts/archive.tgz", "wheelhouse/key/salt.whl", "apt/InRelease", "key.asc"} < set(manifest["files"])
    done = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=made, check=False)
    assert done.returncode == 0


def test_apt_accepts_the_repository_and_no_other_key(made: Path, tmp_path: Path) -> None:
    def update(key: Path) -> subprocess.CompletedProcess[str]:
        for name in ("lists/partial", "archives/partial", "sources"):
            (tmp_path / "apt" / name).mkdir(parents=True, exist_ok=True)
        source = f"Types: deb\nURIs: file:{made}/apt\nSuites: ./\nSigned-By: {key}\n"
        (tmp_path / "apt/sources/it.sources").write_text(source)
        options = {
            "Dir::State::lists": tmp_path / "apt/lists",
            "Dir::Cache": tmp_path / "apt",
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": tmp_path / "apt/sources",
            "APT::Sandbox::User": "",
            "Debug::NoLocking": "1",
        }
        words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        command = ["apt-get", "--quiet", *words, "update", "--error-on=any"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert update(made / "apt/key.asc").returncode == 0
    other = tmp_path / "other.asc"
    other.write_bytes(PackageKey("other", quiet).public())
    shutil.rmtree(tmp_path / "apt")
    assert update(other).returncode != 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: (m / "artifacts/archive.tgz").write_bytes(b"an Archive"), "artifacts/archive.tgz: another content"),
        (lambda m: (m / "artifacts/archive.tgz").write_bytes(b"short"), "artifacts/archive.tgz: 5 bytes instead of 10"),
        (lambda m: (m / "wheelhouse/key/salt.whl").unlink(), "wheelhouse/key/salt.whl: is missing"),
        (lambda m: (m / "apt/more.deb").write_bytes(b""), "apt/more.deb: is not in the manifest"),
    ],
)
def test_whatever_was_changed_is_named(made: Path, change, told: str) -> None:
    change(made)
    with pytest.raises(ArtifactError) as caught:
        mirror.verify(made)
    assert [line for line in caught.value.lines if told in line]


def test_a_manifest_that_was_changed_with_its_files_is_not_signed(made: Path) -> None:
    (made / "artifacts/archive.tgz").write_bytes(b"an Archive")
    manifest = json.loads((made / "manifest.json").read_text())
    manifest["files"]["artifacts/archive.tgz"]["sha256"] = file_sha256(made / "artifacts/archive.tgz")
    (made / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError) as caught:
        mirror.verify(made)
    assert caught.value.lines == ("manifest.json.asc: not a signature of key.asc for manifest.json",)


def test_a_mirror_that_somebody_else_signed(made: Path) -> None:
    with pytest.raises(ArtifactError) as caught:
        mirror.verify(made, PackageKey("other", quiet).fingerprint())
    assert "key.asc: it is the key" in caught.value.lines[0]


def test_everything_is_taken_over(made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, entry: Entry) -> None:
    monkeypatch.setenv("UTOPIA_CACHE_DIR", str(tmp_path / "inside"))
    assert mirror.take(made, mirror.verify(made), "small") == []
    assert Store(entries={"archive": entry}).verify("archive") == "ok"
    assert (paths.cache_dir() / "wheelhouse/key/salt.whl").read_bytes() == b"wheel"
    cluster = config.load("small")
    found = find(cluster)
    assert found.release == file_sha256(made / "apt/Release")
    assert package_key.fingerprint(found.key.encode()) == PackageKey("small", quiet).fingerprint()
    assert found.as_pillar("https://10.0.0.1:8443")["url"] == "https://10.0.0.1:8443/apt/"


def test_what_another_checkout_made_is_told(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = mirror.verify(made)
    manifest["artifacts"]["archive"]["made_from"] = "another"
    monkeypatch.setattr(wheelhouse, "key", lambda: "newer")
    remarks = mirror.take(made, manifest, "small")
    assert [remark.split(" ")[0] for remark in remarks] == ["archive", "Salt's"]


def test_a_mirror_has_the_release_that_the_environment_chose(
    made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, entry: Entry
) -> None:
    file = tmp_path / "older.tgz"
    file.write_bytes(b"an older archive")
    sources = (Source("url", file.as_uri()),)
    older = replace(entry, version="0.9", file="older.tgz", sha256=file_sha256(file), size=16, sources=sources)
    monkeypatch.setattr(catalogue, "load", lambda *_: {"archive": replace(entry, releases={"0.9": older})})
    wanted = replace(plan.make(config.load("small")), artifacts=("archive",))
    wanted = replace(wanted, cluster=replace(wanted.cluster, versions={"archive": "0.9"}))
    mirror.make(wanted, tmp_path / "another", quiet)
    manifest = mirror.verify(tmp_path / "another")
    assert manifest["artifacts"]["archive"]["file"] == "older.tgz"
    monkeypatch.setenv("UTOPIA_CACHE_DIR", str(tmp_path / "inside"))
    assert mirror.take(tmp_path / "another", manifest, "small") == []
    assert Store(entries={"archive": older}).verify("archive") == "ok"


def test_nothing_was_imported() -> None:
    with pytest.raises(ArtifactError, match="no packages were imported") as caught:
        find(config.load("small"))
    assert "bootstrap artifacts import --env small" in caught.value.next_step


def test_a_tar_is_a_mirror_as_well(made: Path, tmp_path: Path) -> None:
    packed = shutil.make_archive(str(tmp_path / "packed"), "tar", made)
    with mirror.opened(Path(packed)) as folder:
        assert mirror.verify(folder)["env"] == "small"
    (tmp_path / "no.tar").write_bytes(b"no tar")
    with pytest.raises(ArtifactError), mirror.opened(tmp_path / "no.tar"):
        pass
    with pytest.raises(UsageError), mirror.opened(tmp_path / "absent"):
        pass


def test_what_is_no_mirror_is_not_written_over(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    with pytest.raises(UsageError, match="is no mirror"):
        mirror.make(plan.make(config.load("small")), precious, quiet)
    assert (precious / "file").exists()


def test_the_secret_key_is_ours_alone(tmp_path: Path) -> None:
    key = PackageKey("small", quiet)
    (secret,) = (tmp_path / "state" / "small").rglob("*.asc")
    assert (secret.stat().st_mode & 0o777, b"PRIVATE" in secret.read_bytes()) == (0o600, True)
    assert b"PRIVATE" not in key.public()
    assert PackageKey("small", quiet).fingerprint() == key.fingerprint()
