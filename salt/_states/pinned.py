"""Values a machine gets once and keeps: whoever changes one has to say so by hand, on that machine."""

from pathlib import Path


def file(name, contents, hint, user="root"):
    """Write `contents` to the file `name` if it does not exist; fail if it holds anything else.

    `hint`: what the operator has to know and do when the two differ.
    """
    ret = {"name": name, "result": True, "comment": "as pinned", "changes": {}}
    path = Path(name)
    contents = str(contents)
    if path.exists():
        found = path.read_text(encoding="utf-8").strip()
        if found != contents:
            ret.update(result=False, comment=f"{name} holds {found}, the topology says {contents}: {hint}")
        return ret
    if __opts__["test"]:
        return {**ret, "result": None, "comment": f"{name} would be written"}
    path.write_text(f"{contents}\n", encoding="utf-8")
    __salt__["file.chown"](name, user, user)
    return {**ret, "comment": "written", "changes": {"pinned": contents}}
