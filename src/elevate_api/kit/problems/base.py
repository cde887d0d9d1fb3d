"""The base of every error the API answers: RFC 9457 problem details with a stable code."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from elevate_api.kit.i18n import ENGLISH, Catalogue, catalogue_of

MEDIA_TYPE = "application/problem+json"

_CODE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
_EXTENSION = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_RESERVED = frozenset({"type", "title", "status", "detail", "instance", "code", "request_id", "errors"})
_registry: dict[str, "type[Problem]"] = {}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of the input.

    `pointer` is a JSON pointer (RFC 6901) into the body, or `query/name`, `path/name`, `header/name`, `cookie/name`.
    """

    pointer: str
    message: str


class Problem(Exception):
    """An error with an answer. Subclass it beside the rule that raises it, naming status, code, title and detail.

    A detail with something to fill in is a `kit.i18n.phrase`, so that it can be translated.
    `extensions` become members of the answer and have snake_case names; `example` shows them in the OpenAPI document.
    """

    status: int = 500
    code: str = "INTERNAL_ERROR"
    title: str = "Internal error"
    detail: str = "Something went wrong on our side."
    default_headers: ClassVar[Mapping[str, str]] = {}
    example: ClassVar[Mapping[str, Any]] = {}

    def __init__(
        self,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[FieldError] | None = None,
        **extensions: Any,
    ) -> None:
        for name in extensions:
            if name in _RESERVED or not _EXTENSION.fullmatch(name):
                raise ValueError(f"{name!r} cannot be a member of a problem")
        if detail is not None:
            self.detail = detail
        self.headers: dict[str, str] = {**self.default_headers, **(headers or {})}
        self.errors: tuple[FieldError, ...] = tuple(errors or ())
        self.extensions = extensions
        super().__init__(self.detail)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "code" not in cls.__dict__:
            return
        if not _CODE.fullmatch(cls.code):
            raise TypeError(f"{cls.code!r} is no UPPER_SNAKE code")
        known = _registry.get(cls.code)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"{cls.code} is the code of {known.__module__}.{known.__qualname__} already")
        _registry[cls.code] = cls

    @classmethod
    def type_uri(cls) -> str:
        """Identify the kind of problem by a relative reference made from the code, as stable as the code."""
        return "/problems/" + cls.code.lower().replace("_", "-")

    def document(
        self, *, instance: str | None = None, request_id: str | None = None, language: str = ENGLISH
    ) -> dict[str, Any]:
        """Members of the answer in their documented order; `errors` only where there are any.

        `language` decides about title, detail and messages; what its catalogue does not know stays English.
        """
        words = catalogue_of(language)
        document: dict[str, Any] = {
            "type": self.type_uri(),
            "title": words.titles.get(self.code, self.title),
            "status": self.status,
            "detail": self._detail(words),
            "instance": instance,
            "code": self.code,
            "request_id": request_id,
        }
        if self.errors:
            document["errors"] = [
                {"pointer": error.pointer, "message": words.text(error.message)} for error in self.errors
            ]
        return document | self.extensions

    def _detail(self, words: Catalogue) -> str:
        """The detail given to this very problem is translated by its words, the one of its class by the code."""
        return words.text(self.detail) if "detail" in self.__dict__ else words.details.get(self.code, self.detail)


def registry() -> dict[str, type[Problem]]:
    """Every problem class that has been imported, by its code."""
    return dict(_registry)
