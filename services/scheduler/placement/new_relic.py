"""NEW_RELIC_* for applications that ask for it with the label NEW_RELIC.

The licence key is added when a task is launched: no definition, version or answer of the API ever holds it. It is in
the environment of the task, where the vendor's agents look for it, so whoever may inspect the task can read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from services.scheduler.definitions.app import App

LABEL = "NEW_RELIC"
_NO = ("", "false", "no", "0", "off")
_YES = ("true", "yes", "1", "on")


@dataclass(frozen=True, slots=True)
class NewRelic:
    """What the operator decided. `labels`: name:value;name:value. Its repr shows no licence."""

    license: str = field(default="", repr=False)
    labels: str = ""


def new_relic_variables(app: App, operators: NewRelic) -> dict[str, str]:
    """Nothing for an application that does not ask. A label that is no mere yes is the name to be shown."""
    asked = app.labels.get(LABEL, "").strip()
    if asked.lower() in _NO:
        return {}
    return {
        "NEW_RELIC_APP_NAME": app.id.lstrip("/") if asked.lower() in _YES else asked,
        **({"NEW_RELIC_LABELS": operators.labels} if operators.labels else {}),
        **({"NEW_RELIC_LICENSE_KEY": operators.license} if operators.license else {}),
    }
