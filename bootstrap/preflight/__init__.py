"""What must hold before anything is touched: all findings of all nodes at once.

`controller.py` looks at the controlling side, `probe.py` runs on every node at the same time; `rules/` judges what they
found, and touches nothing. Rules are functions of facts, so that a machine nobody has at hand can be tested.
"""

from bootstrap.preflight.controller import EDGE_CONNECTIONS, check, require
from bootstrap.preflight.finding import ERROR, WAIVED, WARNING, Finding
from bootstrap.preflight.given import given_secrets

__all__ = ["EDGE_CONNECTIONS", "ERROR", "WAIVED", "WARNING", "Finding", "check", "given_secrets", "require"]
