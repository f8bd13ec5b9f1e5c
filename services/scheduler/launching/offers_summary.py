"""What became of the offers that an application in the launch queue has seen: answers "why does it not start?"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from services.scheduler.placement.matching import Reason
from services.scheduler.placement.offer import Offer

_UNUSED_KEPT = 10  # offers shown with their reasons
_AGENTS_KEPT = 500  # last judgements by agent: a sample where there are more, since many applications may wait
_SAME: dict[tuple[Reason, ...], tuple[Reason, ...]] = {}  # equal reasons are one object


@dataclass(frozen=True, slots=True)
class UnusedOffer:
    """An offer that was not used, when, and all reasons."""

    offer: Offer
    timestamp: str
    reasons: tuple[Reason, ...]


@dataclass(slots=True)
class OffersSummary:
    """Counts since the application came into the queue; `last` has the latest judgement on each agent."""

    processed: int = 0
    unused: int = 0
    last_used_at: str | None = None
    last_unused_at: str | None = None
    attempt: Counter[Reason] = field(default_factory=Counter)
    last: dict[str, tuple[Reason, ...]] = field(default_factory=dict)  # agent id -> reasons; empty: it was used
    unused_offers: dict[str, UnusedOffer] = field(default_factory=dict)  # agent id -> the last one of it
    _last_counts: Counter[Reason] = field(default_factory=Counter)  # of the first reasons in `last`
    _made: bytes | None = None  # the document, until something changes

    def used(self, offer: Offer, moment: str) -> None:
        """An instance was placed."""
        self.processed += 1
        self.last_used_at = moment
        self._remember(offer, ())

    def rejected(self, offer: Offer, reasons: Sequence[Reason], moment: str) -> None:
        """It does not fit."""
        self.processed += 1
        self.unused += 1
        self.last_unused_at = moment
        self.attempt[reasons[0]] += 1
        same = _SAME.setdefault(tuple(reasons), tuple(reasons))
        self._remember(offer, same)
        self.unused_offers.pop(offer.agent_id, None)
        self.unused_offers[offer.agent_id] = UnusedOffer(offer, moment, same)
        if len(self.unused_offers) > _UNUSED_KEPT:
            del self.unused_offers[next(iter(self.unused_offers))]

    def new_attempt(self) -> None:
        """An instance was placed or more are wanted: reasons are counted from here."""
        self.attempt.clear()
        self._made = None

    def document(self) -> bytes:
        """`processedOffersSummary` of /v2/queue, as JSON: with many that wait most are as they were before."""
        if self._made is None:
            self._made = orjson.dumps(self._document())
        return self._made

    def _document(self) -> dict[str, Any]:
        document: dict[str, Any] = {"processedOffersCount": self.processed, "unusedOffersCount": self.unused}
        if self.last_unused_at is not None:
            document["lastUnusedOfferAt"] = self.last_unused_at
        if self.last_used_at is not None:
            document["lastUsedOfferAt"] = self.last_used_at
        document["rejectSummaryLastOffers"] = _steps(self._last_counts, len(self.last))
        document["rejectSummaryLaunchAttempt"] = _steps(self.attempt, self.attempt.total())
        return document

    def unused_document(self) -> list[dict[str, Any]]:
        """`lastUnusedOffers` of /v2/queue, newest last."""
        return [
            {
                "offer": offer_document(unused.offer),
                "timestamp": unused.timestamp,
                "reason": [reason.value for reason in unused.reasons],
            }
            for unused in self.unused_offers.values()
        ]

    def _remember(self, offer: Offer, reasons: tuple[Reason, ...]) -> None:
        self._made = None
        self._forget(offer.agent_id)
        self.last[offer.agent_id] = reasons
        if reasons:
            self._last_counts[reasons[0]] += 1
        if len(self.last) > _AGENTS_KEPT:
            self._forget(next(iter(self.last)))

    def _forget(self, agent_id: str) -> None:
        reasons = self.last.pop(agent_id, None)
        if reasons:
            self._last_counts[reasons[0]] -= 1


def _steps(declined: Counter[Reason], total: int) -> list[dict[str, Any]]:
    """Each reason in the order of judging: how many came so far, how many failed there."""
    steps = []
    for reason in Reason:
        number = declined[reason]
        steps.append({"reason": reason, "declined": number, "processed": total})
        total -= number
    return steps


def offer_document(offer: Offer) -> dict[str, Any]:
    """An offer in the API's shape."""
    return {
        "id": offer.id,
        "hostname": offer.hostname,
        "agentId": offer.agent_id,
        "resources": [
            {
                **_value(resource),
                "role": (resource.get("reservations") or [{}])[-1].get("role", resource.get("role", "*")),
            }
            for resource in offer.raw.get("resources", ())
        ],
        "attributes": [_value(attribute) for attribute in offer.raw.get("attributes", ())],
    }


def _value(document: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {"name": document["name"]}
    if "scalar" in document:
        result["scalar"] = document["scalar"]["value"]
    if "ranges" in document:
        result["ranges"] = document["ranges"].get("range", [])
    if "set" in document:
        result["set"] = document["set"].get("item", [])
    if "text" in document:
        result["text"] = document["text"]["value"]
    return result
