"""The secrets that an operator has to put into the state folder, looked at from here."""

from __future__ import annotations

from collections.abc import Iterator

from bootstrap import plan
from bootstrap.model import Cluster
from bootstrap.preflight.finding import ERROR, Finding
from bootstrap.secrets import Secrets

RULE = "given-secrets"


def given_secrets(cluster: Cluster) -> Iterator[Finding]:
    """All that are absent, empty or readable by others."""
    names = {name for secrets in plan.make(cluster).secrets.values() for name in secrets}
    for lack in Secrets(cluster.env).not_given(names):
        why = "it comes from somebody else (a vendor's licence, say), so it is not generated"
        yield Finding(
            ERROR, "", f"the secret {lack.path} {lack.message}", f"{lack.file}, mode 0600", why, lack.fix, RULE
        )
