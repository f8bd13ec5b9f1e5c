"""rsyslog's configuration where the oldest lines go when the buffer is full: as files a person can read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bootstrap import paths

GOLDEN = Path(__file__).with_name("golden") / "rsyslog-drop-oldest"
NODE = "local/agent-1"
FILES = (
    "/etc/log-shipper/relay.json",
    "/etc/log-shipper/rsyslog.conf",
    "/etc/systemd/system/log-relay.service",
    "/etc/systemd/system/rsyslog.service",
    "/usr/lib/utopia/log-shipper-prepare",
)


@pytest.fixture(scope="module")
def files(render, minions):
    """What differs from a node that blocks."""
    minion = minions("local")[NODE]
    settings = {**minion["pillar"]["settings"], "rsyslog": {"when_full": "drop-oldest", "buffer_megabytes": 64}}
    answer = render(paths.SALT, {"it": {"pillar": {**minion["pillar"], "settings": settings}}})["it"]
    assert answer["errors"] == []
    return {path: answer["files"][path] for path in FILES}


def test_rendered_files_are_the_golden_ones(files):
    for path, text in files.items():
        kept = GOLDEN / path.lstrip("/")
        if os.environ.get("UPDATE_GOLDEN"):
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(text, encoding="utf-8")
        assert text == kept.read_text(encoding="utf-8"), path


def test_every_queue_has_a_way_through_the_relay(files):
    relay = json.loads(files["/etc/log-shipper/relay.json"])
    for queue in relay["queues"]:
        assert f'server="http://127.0.0.1:{relay["port"]}/{queue}"' in files["/etc/log-shipper/rsyslog.conf"]
        assert f'queue.filename="{queue}"' in files["/etc/log-shipper/rsyslog.conf"]


def test_nothing_goes_past_the_relay(files):
    assert "https" not in files["/etc/log-shipper/rsyslog.conf"].replace("usehttps", "")
    assert files["/etc/log-shipper/rsyslog.conf"].count("omelasticsearch") == 4  # the module, and three queues
