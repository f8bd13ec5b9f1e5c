"""Runs all states of nodes in test mode, one node after the other in one process, on the machine it runs on.

Run with the Python of a Salt venv, as root. Reads from standard input
    {"salt": folder, "minions": {id: {"pillar": {...}}}}
and prints
    {id: [errors] or {state: [result, comment, whether it would change something]}}
"""

import contextlib
import json
import sys
import tempfile

import salt.config
import salt.loader
import salt.state


def main():
    order = json.load(sys.stdin)
    answer = {}
    with tempfile.TemporaryDirectory(dir="/run") as root, contextlib.redirect_stdout(sys.stderr):
        opts = salt.config.minion_config(None)
        opts.update(
            id="dry",
            test=True,
            file_client="local",
            root_dir=root,
            cachedir=f"{root}/cache",
            extension_modules=f"{root}/cache/extmods",
            file_roots={"base": [order["salt"]]},
            pillar_roots={"base": []},
            module_dirs=[f"{order['salt']}/_modules"],
            states_dirs=[f"{order['salt']}/_states"],
            fileserver_backend=["roots"],
        )
        opts["grains"] = salt.loader.grains(opts)
        highstate = salt.state.HighState(opts, pillar_override={"components": []})
        highstate.push_active()
        for name, minion in order["minions"].items():
            answer[name] = run(highstate, name, minion["pillar"])
    json.dump(answer, sys.stdout)


def run(highstate, name, pillar):
    """As that node: with its name and its pillar."""
    state = highstate.state
    for loader in (state.functions, state.states, state.rend._dict):
        loader.pack["__pillar__"] = pillar
    state.opts["pillar"] = highstate.opts["pillar"] = pillar
    state.opts["id"] = highstate.opts["id"] = name
    state.reset_run_num()
    highstate.building_highstate = {}
    high, errors = highstate.render_highstate({"base": list(pillar["components"])})
    found = errors or state.call_high(high)
    if not isinstance(found, dict):
        return [str(line) for line in found]
    return {key: [row["result"], str(row["comment"])[-600:], bool(row["changes"])] for key, row in found.items()}


if __name__ == "__main__":
    main()
