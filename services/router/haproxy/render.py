"""A layout -> the text of haproxy.cfg and of the map files. No I/O but reading the template."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template, TemplateError

from services.router.haproxy.model import Layout, Maps
from services.router.settings import Settings, SettingsError

MANAGED = "# managed by utopia-router"
REFUSED = frozenset("'\"\\ #\t$`{}%")


class Renderer:
    """Holds the template and what of the settings goes into every text. Raises SettingsError for what cannot."""

    def __init__(self, settings: Settings, stats_login: str | None = None) -> None:
        self._settings = settings
        text = Path(settings.template).read_text(encoding="utf-8")
        try:
            self._template: Template = Environment(  # noqa: S701 - HAProxy's language, not HTML
                undefined=StrictUndefined, keep_trailing_newline=True
            ).from_string(text)
        except TemplateError as error:
            raise SettingsError(f"{settings.template}: {error}") from error
        if stats_login and (set(stats_login) & REFUSED or ":" not in stats_login or not stats_login.isascii()):
            raise SettingsError("stats_credentials_file: user:password, without blanks, quotes, \\ # $ ` { } %")
        self._login = stats_login
        chosen = replace(settings, template="")  # what it says counts, not where it is
        self._base = hashlib.sha256(f"{text}\n{chosen}\n{stats_login}".encode()).hexdigest()

    def fingerprint(self, layout: Layout) -> str:
        """Names everything that only a reload can change: equal fingerprints differ in servers and maps at most."""
        sections = [(one.name, one.shape, len(one.slots), one.spare) for one in layout.sections.values()]
        acls = [(acl, layout.claims[acl.backend]) for acl in layout.acls]
        listeners = [(one, layout.claims[one.backend]) for one in layout.listeners]
        described = f"{self._base}\n{sections}\n{acls}\n{listeners}\n{layout.certificates}"
        return hashlib.sha256(described.encode()).hexdigest()[:32]

    def config(self, layout: Layout) -> str:
        """The text of haproxy.cfg. Raises SettingsError when the template does not fit."""
        settings = self._settings
        try:
            return self._template.render(
                settings=settings,
                layout=layout,
                maps=settings.maps_dir,
                check=settings.check_milliseconds,
                fingerprint=self.fingerprint(layout),
                stats_login=self._login,
                https_suffix="" if settings.https_port == 443 else f":{settings.https_port}",
            )
        except TemplateError as error:
            raise SettingsError(f"{settings.template}: {error}") from error


def map_texts(maps: Maps) -> dict[str, str]:
    """The map files by name."""
    return {
        f"{name}.map": "".join(f"{key} {value}\n" for key, value in sorted(entries.items()))
        for name, entries in maps.items().items()
    }
