"""Commands that are run once, and again when what they were run for is another.

Not `cmd.run` with `creates`, `onlyif` or `unless`: to find out whether the state checks these itself, Salt 3008
loads every state and execution module there is, which costs each minion 0.6 s of CPU in every run.
"""

from pathlib import Path


def run(name, mark):
    """Run the shell command `name` unless the file `mark` exists; it is made when the command has succeeded."""
    path = Path(mark)
    if path.exists():
        return {"name": name, "result": True, "comment": f"{mark} says that it was run", "changes": {}}
    if __opts__["test"]:
        return {"name": name, "result": None, "comment": "would be run", "changes": {}}
    done = __salt__["cmd.run_all"](name, python_shell=True)
    if done["retcode"]:
        said = (done["stderr"] or done["stdout"]).strip()
        return {"name": name, "result": False, "comment": f"ended with {done['retcode']}: {said}", "changes": {}}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return {"name": name, "result": True, "comment": "run", "changes": {"run": name}}
