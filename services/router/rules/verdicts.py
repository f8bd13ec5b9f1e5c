"""What HAProxy itself says of users' rules: each text asked once, many at a time, singly when they fail together."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence

from services.router.haproxy.reload import ReloadError, validate
from services.router.rules import acl
from services.router.rules.codec import Rule

HEAD = "defaults\n    mode http\n    timeout client 1s\n    timeout server 1s\n    timeout connect 1s\nfrontend f\n"
HEAD += "    bind 127.0.0.1:9\n"
KEPT = 10_000


class Verdicts:
    """`refused`: text -> why. A text that could not be asked about is asked again the next time."""

    def __init__(self, binary: str) -> None:
        self.refused: dict[str, str] = {}
        self._binary = binary
        self._known: set[str] = set()

    async def check_rules(self, rules: Iterable[Rule]) -> None:
        """Ask about the rules that are no plain hosts. Bad ones are left to who reads them."""
        texts = []
        for rule in rules:
            try:
                parsed = acl.parse(rule.acl)
            except acl.RuleError:
                continue
            if not parsed.hosts:
                texts.append(parsed.text)
        await self.check(texts)

    async def check(self, texts: Sequence[str]) -> None:
        """Ask about the texts that are new."""
        new = sorted(set(texts) - self._known)
        if not new:
            return
        if len(self._known) > KEPT:
            self._known, self.refused = set(), {}
        complaint = await self._ask(new)
        for text in new:
            self.refused.pop(text, None)
            if complaint and len(new) > 1:
                complaint_of_one = await self._ask([text])
            else:
                complaint_of_one = complaint
            if complaint_of_one:
                self.refused[text] = complaint_of_one
            self._known.add(text)

    def raise_if_refused(self, text: str) -> None:
        """Raises RuleError."""
        if reason := self.refused.get(text):
            raise acl.RuleError(f"HAProxy refuses it: {reason}")

    async def _ask(self, texts: Sequence[str]) -> str:
        lines = "".join(f"    acl rule_{number} {text}\n" for number, text in enumerate(texts))
        with tempfile.NamedTemporaryFile("w", prefix="rule-", suffix=".cfg") as file:
            file.write(HEAD + lines)
            file.flush()
            try:
                complaint = await validate(self._binary, file.name)
            except ReloadError as error:
                return str(error)
        alerts = [line.partition("] : ")[2] or line for line in complaint.splitlines() if "acl" in line.lower()]
        return " ".join(alerts)[:500] or complaint[:500]
