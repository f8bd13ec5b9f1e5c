"""What a rule of preflight says, and what a topology waives of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

ERROR, WARNING, WAIVED = "error", "warning", "waived"
_ORDER = (ERROR, WARNING, WAIVED)


@dataclass(frozen=True, slots=True)
class Finding:
    """`severity`: "error" (refused), "warning" (told) or "waived". `node` is "" for the controlling side.

    `rule` is the name by which a topology waives it; `reason` is what the waiver says.
    """

    severity: str
    node: str
    found: str
    wanted: str
    why: str
    fix: str
    rule: str = ""
    reason: str = ""

    def __str__(self) -> str:
        where = f"{self.node}: " if self.node else ""
        rule = f" [{self.rule}]" if self.rule else ""
        waived = f"; waived: {self.reason}" if self.severity == WAIVED else ""
        return (
            f"{self.severity}: {where}found {self.found}, wanted {self.wanted} ({self.why}); {self.fix}{rule}{waived}"
        )

    def as_json(self) -> dict[str, str | None]:
        """For `--json`."""
        return {
            "severity": self.severity,
            "rule": self.rule,
            "node": self.node or None,
            "found": self.found,
            "wanted": self.wanted,
            "why": self.why,
            "fix": self.fix,
            "reason": self.reason or None,
        }


def waived(findings: Iterable[Finding], waivers: Mapping[str, str]) -> list[Finding]:
    """With the severity that is left after the topology's waivers, errors first."""
    found = [
        replace(one, severity=WAIVED, reason=waivers[one.rule]) if one.rule in waivers else one for one in findings
    ]
    return sorted(found, key=lambda one: _ORDER.index(one.severity))
