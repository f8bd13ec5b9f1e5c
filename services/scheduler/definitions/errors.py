"""What is said about a document that cannot be accepted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

INVALID_JSON = "Invalid JSON"
INVALID_OBJECT = "Object is not valid"


class InvalidDefinition(Exception):  # noqa: N818 - says what is wrong, not that something is
    """An application, group or selector that is refused.

    `status` 400: not the shape of the API (a type, a range, a pattern); 422: well-formed, and against a rule or for a
    feature that is not there. `details` is `[{"path": "/cpus", "errors": ["…"]}]`, possibly empty.
    """

    def __init__(self, status: int, message: str, details: Iterable[dict[str, Any]] = ()) -> None:
        self.status = status
        self.message = message
        self.details = list(details)
        super().__init__(self._text())

    @property
    def body(self) -> dict[str, Any]:
        """The document the API answers with."""
        return {"message": self.message, "details": self.details} if self.details else {"message": self.message}

    def _text(self) -> str:
        found = "; ".join(f"{detail['path']}: {', '.join(detail['errors'])}" for detail in self.details)
        return f"{self.message}: {found}" if found else self.message


class Problems:
    """Collects every error of a document, by path, so that a user learns all of them at once."""

    def __init__(self) -> None:
        self._errors: dict[str, list[str]] = {}

    def add(self, path: str, error: str) -> None:
        """`path` is `""` for the document itself, else `/container/volumes(0)`."""
        errors = self._errors.setdefault(path or "/", [])
        if error not in errors:
            errors.append(error)

    def __bool__(self) -> bool:
        return bool(self._errors)

    @property
    def details(self) -> list[dict[str, Any]]:
        return [{"path": path, "errors": errors} for path, errors in self._errors.items()]

    def raise_as(self, status: int) -> None:
        """Raises `InvalidDefinition` if there is anything to say."""
        if self._errors:
            raise InvalidDefinition(status, INVALID_JSON if status == 400 else INVALID_OBJECT, self.details)


def not_valid(path: str, error: str) -> InvalidDefinition:
    """One rule that is broken."""
    return InvalidDefinition(422, INVALID_OBJECT, [{"path": path or "/", "errors": [error]}])
