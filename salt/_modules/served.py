"""Runs of states by a node that is told what the master serves.

Salt would ask the master for the sum of each file, several times each: half the cost of a run of states that hold.
"""

import contextlib

import salt.config
import salt.fileclient
import salt.state
import salt.utils.state

_PREFIX = "salt://"


@contextlib.contextmanager
def highstate(sums, test, pillar=None):
    """Salt's own run of states, rendered anew with the pillar that the master compiles now, as a context.

    `sums`: path -> SHA-256 of all files the master serves. `pillar`: what this run alone finds beside the master's.
    """
    opts = salt.utils.state.get_sls_opts(__opts__, saltenv="base")
    opts["test"] = test
    client = _KnowingClient(opts, sums)
    try:
        with salt.state.HighState(opts, pillar, context=dict(__context__), file_client=client) as run:
            run.push_active()
            try:
                yield run
            finally:
                run.pop_active()
    finally:
        client.destroy()


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
