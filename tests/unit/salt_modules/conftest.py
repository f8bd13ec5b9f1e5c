"""Load a module of salt/_modules or salt/_states as Salt's loader does: from its file, with dunders injected."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from bootstrap import paths

_counter = itertools.count()


@pytest.fixture
def load() -> Callable[..., ModuleType]:
    """`load("_states/restart", salt={...}, pillar={...}, test=False)`"""

    def make(
        name: str, *, salt: dict[str, Any] | None = None, pillar: dict[str, Any] | None = None, test: bool = False
    ) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"salt_{next(_counter)}", paths.SALT / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        vars(module).update(__salt__=salt or {}, __pillar__=pillar or {}, __opts__={"test": test}, __context__={})
        return module

    return make
