"""Render the whole state tree as the Salt master and the minions would, offline and in one process.

Run with the Python of a Salt venv. Reads from standard input
    {"salt": folder, "minions": {id: {"pillar": {...}, "top": whether to apply the top file, "sls": [extra sls, ...]}}}
and prints
    {id: {"errors": [...], "chunks": [low chunk, ...], "files": {path on the node: text}, "extra": {sls: [chunk, ...]}}}
Every call of a function that would ask the machine is answered with what the tests expect of a lab machine.
"""

import json
import sys
import tempfile
from pathlib import Path

import salt.config
import salt.state
import salt.utils.templates

CGROUP = "/docker/0123456789ab"
HEAP = "1536m"
MEASURED = "cpus:3;mem:6900;disk:80000;ports:[31000-31999]"
REQUISITES = ("require", "watch", "onchanges", "onfail", "listen", "prereq")


def main():
    order = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as root:
        tree = Tree(order["salt"], root)
        answer = {name: tree.render(name, minion) for name, minion in order["minions"].items()}
    json.dump(answer, sys.stdout)


class Tree:
    """One compiler for all minions: making its loaders is what takes the time."""

    def __init__(self, salt_folder, root):
        opts = salt.config.minion_config(None)
        opts.update(
            id="render",
            file_client="local",
            root_dir=root,
            cachedir=f"{root}/cache",
            extension_modules=f"{root}/cache/extmods",
            file_roots={"base": [salt_folder]},
            pillar_roots={"base": []},
            module_dirs=[f"{salt_folder}/_modules"],
            states_dirs=[f"{salt_folder}/_states"],
            grains={"os": "Debian", "os_family": "Debian", "id": "render"},
            fileserver_backend=["roots"],
        )
        self.opts = opts
        self.root = root
        self.folder = salt_folder
        self.highstate = salt.state.HighState(opts, pillar_override={"components": []})
        self.state = self.highstate.state
        self.state.functions["machine.cgroup"] = lambda: CGROUP
        self.state.functions["machine.java_heap"] = lambda *_: HEAP
        self.state.functions["machine.task_resources"] = lambda ports, persisted: MEASURED

    def render(self, name, minion):
        """What the top file gives minion `name`, and each of its extra sls by itself."""
        self._become(name, minion["pillar"])
        answer = {"errors": [], "chunks": [], "files": {}, "extra": {}}
        if minion.get("top", True):
            top = self.highstate.get_top()
            answer["chunks"], found = self._compile(self.highstate.top_matches(top))
            answer["errors"] = self.highstate.verify_tops(top) + found
            answer["files"] = self._files(answer["chunks"])
        for sls in minion.get("sls", []):
            answer["extra"][sls], found = self._compile({"base": [sls]})
            answer["errors"] += found
        return answer

    def _become(self, name, pillar):
        for loader in (self.state.functions, self.state.states, self.state.rend._dict):
            loader.pack["__pillar__"] = pillar
        self.state.opts["pillar"] = pillar
        self.state.opts["id"] = self.highstate.opts["id"] = name

    def _compile(self, matches):
        self.state.reset_run_num()
        self.highstate.building_highstate = {}
        high, errors = self.highstate.render_highstate(matches)
        errors = list(errors)
        if not errors:
            high, more = self.state.requisite_in(high)
            errors += more + self.state.verify_high(high)
        if errors:
            return [], errors
        compiled = self.state.compile_high_data(high)
        chunks, more = compiled if isinstance(compiled, tuple) else (compiled, [])
        chunks = [dict(chunk) for chunk in chunks]
        return chunks, list(more) + list(_unmet(chunks)) + list(self._unknown(chunks))

    def _unknown(self, chunks):
        for chunk in chunks:
            function = f"{chunk['state']}.{chunk['fun']}"
            if chunk["state"] != "pkg" and function not in self.state.states:
                yield f"{chunk['__id__']}: there is no state function {function}"

    def _files(self, chunks):
        files = {}
        for chunk in chunks:
            source = chunk.get("source", "")
            if chunk["state"] != "file" or not source.startswith("salt://"):
                continue
            path = f"{self.folder}/{source.removeprefix('salt://')}"
            if chunk.get("template") != "jinja":
                files[chunk["name"]] = Path(path).read_text(encoding="utf-8")
                continue
            done = salt.utils.templates.TEMPLATE_REGISTRY["jinja"](
                path,
                to_str=True,
                name=chunk["name"],
                source=source,
                saltenv="base",
                salt=self.state.functions,
                pillar=self.state.functions.pack["__pillar__"],
                grains=self.state.opts["grains"],
                opts=self.opts,
                context=chunk.get("context"),
            )
            files[chunk["name"]] = done["data"] if done["result"] else f"NOT RENDERED: {done['data']}"
        return files


def _unmet(chunks):
    """Requisites that point at nothing: Salt itself says so only when it runs the state."""
    known = {(chunk["state"], chunk[key]) for chunk in chunks for key in ("__id__", "name")}
    for chunk in chunks:
        for kind in REQUISITES:
            for wanted in chunk.get(kind, []):
                for state, name in wanted.items():
                    if (state, name) not in known and state != "sls":
                        yield f"{chunk['__id__']}: {kind} names {state}: {name}, which is not there"


if __name__ == "__main__":
    main()
