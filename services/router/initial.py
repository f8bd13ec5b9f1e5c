"""The first configuration: HAProxy starts with it before the router knows anything, and says 404 to everyone."""

from __future__ import annotations

from pathlib import Path

from services.router.haproxy import atomic, certificates, layout, runtime
from services.router.haproxy.model import Maps, Wanted
from services.router.haproxy.reload import Loader, validate
from services.router.haproxy.render import MANAGED, Renderer, map_texts
from services.router.settings import Settings, secret


async def write(settings: Settings) -> bool:
    """Write configuration and maps unless valid ones are there; whether it did. Raises OSError, ReloadError."""
    config = Path(settings.haproxy_config)
    maps = Path(settings.maps_dir)
    maps.mkdir(parents=True, exist_ok=True)
    for name in map_texts(Maps()):
        if not (maps / name).exists():
            atomic.write(maps / name, "", mode=0o644)
    ours = config.exists() and config.read_text(encoding="utf-8", errors="replace").startswith(MANAGED)
    if ours and not await validate(settings.haproxy_binary, str(config)):
        return False
    found = certificates.look(settings.certificates_dir, certificates.Certificates())
    certificates.write_list(settings.maps_dir, found)
    first = layout.fresh(
        Wanted(),
        None,
        spare_backends=settings.spare_backends,
        spare_slots=settings.spare_slots,
        certificates=found.fingerprint,
    )
    text = Renderer(settings, secret(settings.stats_credentials_file)).config(first)
    loader = Loader(settings, runtime.Runtime(settings.runtime_socket))
    await loader.check(text)
    loader.install(text, map_texts(first.maps), durable=True)
    return True
