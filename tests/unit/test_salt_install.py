"""Salt on a node: whether it is there, and the archive it comes from."""

from __future__ import annotations

import shlex
import subprocess
import tarfile
from pathlib import Path

from bootstrap import salt_install


def test_the_check_for_salt_is_shell(tmp_path: Path) -> None:
    done = subprocess.run(["sh", "-c", salt_install.check()], check=False)
    assert done.returncode in {0, salt_install.NEEDED}
    assert shlex.split(salt_install.check())


def test_the_archive_of_salt_names_the_path_of_the_node_alone(tmp_path: Path) -> None:
    venv = tmp_path / "cache" / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "lib/python3.11/site-packages/salt").mkdir(parents=True)
    (venv / "lib/python3.11/site-packages/salt/client.py").write_text("")
    (venv / ".stamp").write_text("key\n")
    for name in ("salt-call", "python", "activate"):
        (venv / "bin" / name).write_text(f"#!{venv}/bin/python\n")
    salt_install.pack(venv, tmp_path / "archive")
    with tarfile.open(tmp_path / "archive") as archive:
        names = {member.name: member for member in archive.getmembers()}
        assert archive.extractfile("bin/salt-call").read() == b"#!/opt/saltstack/salt/bin/python\n"
    assert {"stamp", "lib/python3.11/site-packages/salt/client.py"} < set(names)
    assert not {"bin/python", "bin/activate"} & set(names)
    assert {(member.uid, member.gid) for member in names.values()} == {(0, 0)}
