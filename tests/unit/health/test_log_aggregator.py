"""What `status` says of aggregators: each is asked at its port, and named with the command that shows why."""

from __future__ import annotations

from pathlib import Path

import pytest
from more_topologies import with_aggregators

from bootstrap import config
from bootstrap.health import View, log_aggregator


def test_each_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path / "state"))
    view = View(config.load(with_aggregators(tmp_path)))
    asked = {("10.20.0.11", 24224): "", ("10.20.0.12", 24224): "refuses connections"}
    monkeypatch.setattr(log_aggregator, "open_ports", lambda targets, **_: {each: asked[each] for each in targets})
    well, down = log_aggregator.check(view)
    assert (well.node, well.state, well.next_step) == ("control-1", "ok", "")
    assert (down.node, down.state, down.detail) == ("control-2", "failed", "port 24224 refuses connections")
    assert down.next_step.endswith("control-2 -- journalctl -n 50 -u fluentd-aggregator")
