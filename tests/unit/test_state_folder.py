"""Two environments of one name: the state folder is the first one's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from bootstrap import config, state_folder
from bootstrap.errors import UsageError
from bootstrap.model import Cluster


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Cluster]:
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path / "state"))
    made = config.load("small")

    def at(place: str, network: str = str(made.network), driver: str = made.driver) -> Cluster:
        path = tmp_path / place / "small" / "cluster.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        return replace(made, path=path, network=IPv4Network(network), driver=driver)

    return at


def test_another_environment_of_the_name_is_refused(cluster: Callable[..., Cluster]) -> None:
    first = cluster("here")
    state_folder.claim(first)
    state_folder.claim(first)
    for other in (cluster("there", network="10.9.0.0/24"), cluster("there", driver="ssh")):
        with pytest.raises(UsageError, match="another environment named 'small'") as caught:
            state_folder.claim(other)
        assert str(first.path) in caught.value.lines[0]
        assert str(other.path) in caught.value.lines[1]
    state_folder.release("small")
    state_folder.claim(cluster("there", network="10.9.0.0/24"))


def test_a_copy_with_the_same_machines_may_use_it_and_does_not_take_it(cluster: Callable[..., Cluster]) -> None:
    state_folder.claim(cluster("here"))
    state_folder.claim(cluster("copy"))
    state_folder.claim(cluster("here", network="10.9.0.0/24"))  # the owner may change its network


def test_a_file_that_was_moved_takes_its_folder_along(cluster: Callable[..., Cluster]) -> None:
    first = cluster("here")
    state_folder.claim(first)
    first.path.unlink()
    moved = cluster("there")
    state_folder.claim(moved)
    state_folder.claim(replace(moved, network=IPv4Network("10.9.0.0/24")))


def test_a_broken_file_is_known_by_its_place(cluster: Callable[..., Cluster]) -> None:
    first, other = cluster("here"), cluster("there")
    state_folder.check_file("small", other.path)  # nobody has the folder yet
    state_folder.claim(first)
    state_folder.check_file("small", first.path)
    with pytest.raises(UsageError, match="another environment named 'small'"):
        state_folder.check_file("small", other.path)
