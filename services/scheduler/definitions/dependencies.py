"""In which order applications are started: what another needs comes first."""

from __future__ import annotations

from collections import defaultdict, deque

from services.scheduler.definitions.errors import not_valid
from services.scheduler.definitions.group import Group
from services.scheduler.definitions.paths import chain

# A node is an application's id, or one of these marks before a path. Groups take two marks instead of an edge
# between each two applications, so that the graph stays as small as the tree.
_ALL_OF = ">"  # comes after everything at or below the path
_START_OF = "<"  # comes before everything in the group


def order(root: Group) -> list[list[str]]:
    """All applications in layers, sorted by id: each needs only what is in layers before its own.

    A dependency is an application or a group (all in it), of an application or a group (each in it); one that does not
    exist means nothing. Raises `InvalidDefinition` (422) for a cycle.
    """
    apps = root.all_apps()
    before = _edges(root)
    after: dict[str, list[str]] = defaultdict(list)
    missing = {node: len(needed) for node, needed in before.items()}
    for node, needed in before.items():
        for each in needed:
            after[each].append(node)
    layer = dict.fromkeys(before, 0)
    ready = deque(node for node, count in missing.items() if not count)
    seen = 0
    while ready:
        node = ready.popleft()
        seen += 1
        reached = layer[node] + (node in apps)
        for each in after[node]:
            layer[each] = max(layer[each], reached)
            missing[each] -= 1
            if not missing[each]:
                ready.append(each)
    if seen < len(before):
        cycle = _cycle(before, {node for node, count in missing.items() if count}, set(apps))
        raise not_valid("/dependencies", f"Dependency graph has cyclic dependencies: {' -> '.join(cycle)}")
    layers: dict[int, list[str]] = defaultdict(list)
    for app_id in sorted(apps):
        layers[layer[app_id]].append(app_id)
    return [layers[index] for index in sorted(layers)]


def _edges(root: Group) -> dict[str, set[str]]:
    """node -> the nodes that come before it."""
    apps = root.all_apps()
    groups = list(root.transitive_groups())
    wanted = {name for app in apps.values() for name in app.dependencies}
    wanted.update(name for group in groups for name in group.dependencies)
    starting = {group.id: group.dependencies for group in groups if group.dependencies}
    edges: dict[str, set[str]] = {app_id: set() for app_id in apps}
    edges.update({_ALL_OF + name: set() for name in wanted})
    for name, needed in starting.items():
        edges[_START_OF + name] = {_ALL_OF + each for each in needed}
    for app_id, app in apps.items():
        edges[app_id].update(_ALL_OF + name for name in app.dependencies)
        for place in ("/", *chain(app_id)):
            if place in starting:
                edges[app_id].add(_START_OF + place)
            if place in wanted:
                edges[_ALL_OF + place].add(app_id)
    return edges


def _cycle(before: dict[str, set[str]], stuck: set[str], apps: set[str]) -> list[str]:
    """One cycle among the nodes that never became ready, by the applications in it."""
    node = min(stuck)
    way: list[str] = []
    while node not in way:
        way.append(node)
        node = min(each for each in before[node] if each in stuck)
    cycle = [each for each in way[way.index(node) :] if each in apps]
    return [*cycle, cycle[0]] if cycle else [name.lstrip(_ALL_OF + _START_OF) for name in way]
