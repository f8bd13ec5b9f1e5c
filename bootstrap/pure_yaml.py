"""YAML files a person edits, read strictly: no Jinja, no duplicate keys, no tags, no merge keys.

Such a file has several readers; what only one of them understands must not creep in. Everything that
is wrong is reported with its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bootstrap.checks.finding import Finding, Keys

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser is ten times as fast, where it was built
_JINJA = re.compile(r"\{\{|\{%|\{#")
_COMMENT = re.compile(r"(^|\s)#.*")
_UNQUOTED_RANGE = re.compile(r"\[[0-9]+:[0-9]+\]")
_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"


@dataclass
class Document:
    """One file. `data` is None when it could not be read; then `findings` says why."""

    file: str
    data: Any = None
    findings: list[Finding] = field(default_factory=list)
    root: yaml.Node | None = None

    def line_of(self, keys: Keys) -> int:
        """The line of the deepest key of the path that exists; 0 = unknown."""
        node, line = self.root, 0
        for key in keys:
            found = next(_children(node, key), None)
            if found is None:
                break
            line, node = found
        return line


def read(path: Path, file: str) -> Document:
    """Read `path`; `file` is what it is called in findings."""
    document = Document(file)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        return _refused(document, 0, f"cannot be read: {reason}", "create the file, or make it readable")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        return _refused(document, line, "is not UTF-8 text", "save the file as UTF-8")
    for number, line_text in enumerate(text.splitlines(), 1):
        if _JINJA.search(_COMMENT.sub("", line_text)):
            _refused(
                document,
                number,
                f"Jinja in a file that is pure YAML: {line_text.strip()[:60]}",
                "write the value itself; what can be derived is derived by `bootstrap plan`",
            )
    return document if document.findings else _parse(document, text)


def _parse(document: Document, text: str) -> Document:
    loader = _LOADER(text)
    try:
        document.root = loader.get_single_node()
        if document.root is None:
            return _refused(document, 1, "the file is empty", "see pillar/env/prod/cluster.yaml for a complete example")
        document.data = _Values(document, loader).value(document.root, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        problem = " ".join(str(part) for part in (error.context, error.problem) if part)
        return _refused(document, line, f"YAML syntax: {problem}", _syntax_fix(text, line, problem))
    except yaml.YAMLError as error:
        return _refused(document, 0, f"YAML syntax: {error}", "remove the character that is not text")
    finally:
        loader.dispose()
    return document


def _syntax_fix(text: str, line: int, problem: str) -> str:
    lines = text.splitlines()
    near = lines[line - 1] if 0 < line <= len(lines) else ""
    if "\t" in problem or "\\t" in problem or near.startswith("\t"):
        return "indent with spaces, not with tabs"
    if _UNQUOTED_RANGE.search(near):
        return 'put the range between quotes, as in "agent-[1:20]"'
    if "single document" in problem:
        return "keep one document per file: remove the second ---"
    if "mapping values are not allowed" in problem:
        return "put quotes around a value that holds a colon, or correct the indentation"
    return "correct the YAML at or just above this line: indentation, quotes, brackets"


def _refused(
    document: Document, line: int, message: str, fix: str, *, keys: Keys = (), value: object = None
) -> Document:
    document.findings.append(Finding(document.file, keys, value, message, fix, line=line))
    return document


def _children(node: yaml.Node | None, key: str | int) -> Iterator[tuple[int, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if isinstance(name, yaml.ScalarNode) and name.value == str(key):
                yield name.start_mark.line + 1, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        yield node.value[key].start_mark.line + 1, node.value[key]


class _Values:
    """Nodes of the YAML tree -> plain values, keeping an eye on what plain values cannot show."""

    def __init__(self, document: Document, loader: Any) -> None:
        self._document = document
        self._loader = loader
        self._known: dict[int, Any] = {}

    def value(self, node: yaml.Node, keys: Keys) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return node.value if node.tag == _TEXT else self._scalar(node, keys)
        if id(node) in self._known:  # an alias: the same value again, or the very value we are in
            return self._known[id(node)]
        if isinstance(node, yaml.MappingNode):
            mapping: dict[Any, Any] = {}
            self._known[id(node)] = mapping
            self._fill(mapping, node, keys)
            return mapping
        self._known[id(node)] = items = []
        items += [self.value(item, (*keys, index)) for index, item in enumerate(node.value)]
        return items

    def _fill(self, mapping: dict[Any, Any], node: yaml.MappingNode, keys: Keys) -> None:
        for name_node, value_node in node.value:
            line = name_node.start_mark.line + 1
            if name_node.tag == _MERGE:
                self._refuse(line, keys, "<<", "merge keys are not supported", "write the keys out")
                continue
            name = self.value(name_node, keys)
            if isinstance(name, dict | list):
                self._refuse(line, keys, None, "a key must be text", "put quotes around it")
                continue
            if name in mapping:
                self._refuse(
                    line,
                    (*keys, str(name)),
                    None,
                    f"the key {name} is there twice, and YAML would keep only the last",
                    "remove one of the two",
                )
            mapping[name] = self.value(value_node, (*keys, str(name)))

    def _scalar(self, node: yaml.ScalarNode, keys: Keys) -> Any:
        line = node.start_mark.line + 1
        try:
            return self._loader.construct_object(node)
        except yaml.constructor.ConstructorError:
            self._refuse(line, keys, node.tag, f"the tag {node.tag} is not plain YAML", "write the value without a tag")
        except ValueError as error:  # such as the date 2024-13-99
            self._refuse(line, keys, node.value, f"not a value: {error}", "put quotes around it")
        return None

    def _refuse(self, line: int, keys: Keys, value: object, message: str, fix: str) -> None:
        _refused(self._document, line, message, fix, keys=keys, value=value)
