"""How long the next launch of a failing application waits. Pure: moments are seconds of a monotonic clock."""

from __future__ import annotations

from dataclasses import dataclass

from services.scheduler.definitions.app import App

VIABLE_AFTER = 60.0  # seconds; a task that ran so long, or an application left in peace so long, is no crash loop


@dataclass(frozen=True, slots=True)
class Delay:
    """The wait of one configuration of an application."""

    configuration: str  # App.last_config_change_at: a new configuration starts without a wait
    seconds: float
    until: float


class Backoff:
    """The delays of all applications that fail."""

    def __init__(self) -> None:
        self._delays: dict[str, Delay] = {}

    def failed(self, app: App, now: float, *, ran: float = 0.0) -> Delay:
        """One more failure, of a task that ran for `ran` seconds: the delay grows, or begins anew."""
        self.settled(now)
        last = self._delays.get(app.id)
        if last is not None and last.configuration == app.last_config_change_at and ran < VIABLE_AFTER:
            # Instances that fail together are one failure: the delay grows once the last one is over.
            seconds = last.seconds if now < last.until else last.seconds * app.backoff_factor
        else:
            seconds = app.backoff_seconds
        seconds = min(seconds, app.max_launch_delay_seconds)
        delay = Delay(app.last_config_change_at, seconds, now + seconds)
        self._delays[app.id] = delay
        return delay

    def until(self, app: App, now: float) -> float:
        """When the next launch is allowed; not later than `now` if it is."""
        delay = self._delays.get(app.id)
        if delay is None or delay.configuration != app.last_config_change_at:
            return now
        return max(delay.until, now)

    def reset(self, app_id: str) -> bool:
        """Launch at once. True if there was a delay."""
        return self._delays.pop(app_id, None) is not None

    def settled(self, now: float) -> None:
        """Forget delays that ended long enough ago without another failure."""
        for app_id in [app_id for app_id, delay in self._delays.items() if now > delay.until + VIABLE_AFTER]:
            del self._delays[app_id]
