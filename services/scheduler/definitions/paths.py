"""Names of applications and groups: `/team/app`, or relative to a group (`app`, `../other/app`)."""

from __future__ import annotations


def canonical(path: str, base: str = "/") -> str:
    """The absolute path: `("../db", "/shop/web")` -> `/shop/db`. Above the root there is only the root."""
    parts = [] if path.startswith("/") else [part for part in base.split("/") if part]
    for part in path.split("/"):
        if part == "..":
            if parts:
                parts.pop()
        elif part:
            parts.append(part)
    return "/" + "/".join(parts)


def parent(path: str) -> str:
    """`/team/app` -> `/team`; the root's is the root."""
    return path.rpartition("/")[0] or "/"


def chain(path: str) -> list[str]:
    """The groups from the one below the root to `path` itself: `/a/b` -> `["/a", "/a/b"]`."""
    found = []
    end = path.find("/", 1)
    while end != -1:
        found.append(path[:end])
        end = path.find("/", end + 1)
    return [*found, path] if path != "/" else []


def below(path: str, ancestor: str) -> bool:
    """Whether `path` is `ancestor` or something in it."""
    return ancestor in ("/", path) or path.startswith(ancestor + "/")
