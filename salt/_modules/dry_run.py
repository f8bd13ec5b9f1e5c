"""A dry run of all states of this node: the check of `state.apply test=True` for a fifth of its cost.

Each state is rendered anew from what the master serves and the pillar it compiles now, and is asked of the machine.
"""

import salt.config
import salt.fileclient
import salt.state
import salt.utils.state

_PREFIX = "salt://"


def states(sums):
    """Check every state of this node's components: state -> result, changes, comment.

    `sums`: path -> SHA-256 of all files the master serves. Salt would ask the master for them one by one, several
    times each, which is half the cost of a dry run. A list of lines instead of a mapping says why nothing was checked.

    CLI Example: salt '*' dry_run.states '{}'
    """
    conflict = __salt__["states.running"]()
    if conflict:
        return conflict
    opts = salt.utils.state.get_sls_opts(__opts__, saltenv="base")
    opts["test"] = True
    client = _KnowingClient(opts, sums)
    try:
        with salt.state.HighState(opts, context=dict(__context__), file_client=client) as highstate:
            pillar = highstate.opts["pillar"]  # compiled by the master for this run
            highstate.push_active()
            try:
                high, errors = highstate.render_highstate({"base": list(pillar["components"])})
                found = errors or highstate.state.call_high(high)
            finally:
                highstate.pop_active()
            errors = errors or pillar.get("_errors")
    finally:
        client.destroy()
    if errors or not isinstance(found, dict):
        return [str(line) for line in errors or found]
    wanted = ("result", "changes", "comment")
    return {key: {name: state.get(name) for name in wanted} for key, state in found.items()}


class _KnowingClient(salt.fileclient.RemoteClient):
    """Knows what the master serves. Contents are this node's cached ones where their sum is right, else fetched."""

    def __init__(self, opts, sums):
        super().__init__(opts)
        self._sums = sums

    def hash_file(self, path, saltenv="base"):
        if not path.startswith(_PREFIX):
            return super().hash_file(path, saltenv)
        known = self._sums.get(path.removeprefix(_PREFIX))
        return {"hsum": known, "hash_type": "sha256"} if known else ""  # not served

    def master_opts(self):
        """The master's, of which a run of states uses those that `bootstrap` leaves as Salt has them."""
        return {**salt.config.DEFAULT_MASTER_OPTS, "file_roots": self.opts["file_roots"]}

    def file_list(self, saltenv="base", prefix=""):  # noqa: ARG002 - its base class's
        return sorted(path for path in self._sums if path.startswith(prefix))
