"""Which apt sources the machine image is made from: this machine's own, reduced to Debian's main suites."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from bootstrap.errors import MachinesError
from bootstrap.process import run

SUITE = "bookworm"
_SUITES = (SUITE, f"{SUITE}-updates", f"{SUITE}-security")
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_ACQUIRE = tuple(f"Acquire::{topic}" for topic in ("http", "https", "ftp", "Retries", "Check-", "Max-", "Queue-"))
_ONE_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)$")


def text(etc_apt: Path = Path("/etc/apt")) -> str:
    """Sources in deb822 form. Raises MachinesError where there are none for Debian 12."""
    stanzas = [stanza for file in _files(etc_apt) for stanza in _stanzas(file)]
    if not any(f"Suites: {SUITE}" in stanza for stanza in stanzas):
        raise MachinesError(
            f"there are no apt sources for Debian 12 ({SUITE}, main) to make the machine image from",
            where=str(etc_apt),
            cause="the image is made from this machine's own sources, so that your configuration decides",
            next_step=f"add a source for {SUITE} main under {etc_apt}, or set driver.base to an image you have",
        )
    return "\n".join(stanzas)


def acquire_options() -> str:
    """How this machine fetches (proxy, certificates, validity): apt.conf lines that hold for the bake only."""
    lines = run(["apt-config", "dump"]).out.splitlines()
    return "".join(f"{line}\n" for line in lines if line.startswith(_ACQUIRE) and not line.endswith(' "";'))


def _files(etc_apt: Path) -> Iterable[Path]:
    main = etc_apt / "sources.list"
    parts = etc_apt / "sources.list.d"
    yield from [main] if main.is_file() else []
    yield from sorted(part for part in parts.glob("*") if part.suffix in {".list", ".sources"})


def _stanzas(file: Path) -> Iterable[str]:
    content = file.read_text(encoding="utf-8", errors="replace")
    if file.suffix == ".sources":
        for block in re.split(r"\n\s*\n", content):
            fields = dict(re.findall(r"(?m)^([A-Za-z-]+):[ \t]*(.*)$", block))
            if fields.get("Enabled", "yes").lower() != "no" and "deb" in fields.get("Types", "").split():
                yield from _stanza(
                    fields.get("URIs", ""), fields.get("Suites", ""), fields.get("Components", ""), fields
                )
        return
    for line in content.splitlines():
        found = _ONE_LINE.match(line.strip())
        if found:
            options = dict(option.split("=", 1) for option in (found["options"] or "").split() if "=" in option)
            fields = {"Signed-By": options.get("signed-by", "")}
            yield from _stanza(found["uri"], found["suite"], found["components"], fields)


def _stanza(uris: str, suites: str, components: str, fields: dict[str, str]) -> Iterable[str]:
    """Only what makes up Debian 12 itself; another vendor's repository has no place in the image."""
    wanted = [suite for suite in suites.split() if suite in _SUITES]
    if wanted and "main" in components.split():
        key = fields.get("Signed-By", "").strip() or _KEYRING
        yield f"Types: deb\nURIs: {uris}\nSuites: {' '.join(wanted)}\nComponents: main\nSigned-By: {key}\n"
