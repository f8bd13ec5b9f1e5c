"""Changes one mapping of texts at the top of a YAML file and leaves every other character, comments among them."""

from __future__ import annotations

import json
from collections.abc import Mapping

import yaml


def set_texts(text: str, key: str, values: Mapping[str, str]) -> str:
    """`text` with `key: {name: value}` for every one of `values`; names that are there and not in `values` stay."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise TypeError("not a mapping")
    found = next((value for name, value in root.value if name.value == key), None)
    if found is None:
        edited = _appended(text, key, values)
    elif isinstance(found, yaml.MappingNode) and found.value:
        edited = _changed(text, found, values)
    else:
        edited = _filled(text, found, values)
    before = yaml.safe_load(text)
    wanted = {**before, key: {**(before.get(key) or {}), **values}}
    if yaml.safe_load(edited) != wanted:
        raise ValueError(f"{key} is written in a way that cannot be edited here")
    return edited


def _appended(text: str, key: str, values: Mapping[str, str]) -> str:
    lines = [f"{key}:", *(f"  {name}: {_quoted(value)}" for name, value in values.items())]
    return text.rstrip("\n") + "\n\n" + "\n".join(lines) + "\n"


def _filled(text: str, found: yaml.Node, values: Mapping[str, str]) -> str:
    """In place of nothing, or of an empty mapping."""
    inner = ", ".join(f"{name}: {_quoted(value)}" for name, value in values.items())
    start, end = found.start_mark.index, found.end_mark.index
    space = "" if text[:start].endswith(" ") else " "
    return f"{text[:start]}{space}{{{inner}}}{text[end:]}"


def _changed(text: str, found: yaml.MappingNode, values: Mapping[str, str]) -> str:
    """From the end to the beginning, so that earlier places keep their numbers."""
    there = {name.value: value for name, value in found.value}
    added = {name: value for name, value in values.items() if name not in there}
    if added:
        text = _extended(text, found, added)
    for name in reversed([name for name in there if name in values]):
        node = there[name]
        if node.value != values[name] or not isinstance(node, yaml.ScalarNode):
            text = text[: node.start_mark.index] + _quoted(values[name]) + text[node.end_mark.index :]
    return text


def _extended(text: str, found: yaml.MappingNode, added: Mapping[str, str]) -> str:
    last = found.value[-1][1].end_mark.index
    if found.flow_style:
        return text[:last] + "".join(f", {name}: {_quoted(value)}" for name, value in added.items()) + text[last:]
    indent = " " * found.value[0][0].start_mark.column
    end = text.find("\n", last)
    end = len(text) if end < 0 else end
    return text[:end] + "".join(f"\n{indent}{name}: {_quoted(value)}" for name, value in added.items()) + text[end:]


def _quoted(value: str) -> str:
    return json.dumps(value)
