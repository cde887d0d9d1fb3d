"""The OpenAPI document as what a page shows: references resolved to names, schemas to lines."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Node = Mapping[str, Any]
METHODS = ("get", "post", "put", "patch", "delete")
PROBLEM = "application/problem+json"
PLAIN = frozenset({"type", "title", "status", "detail", "instance", "code", "request_id", "errors"})
"""What every problem has; one that says more is shown in full."""
_NOTHING = ""
_EMPTY: Node = {}
_ANCHOR = re.compile(r"[^A-Za-z0-9_-]+")
_BOUNDS = {
    "minLength": "at least {} characters", "maxLength": "at most {} characters", "minimum": "at least {}",
    "maximum": "at most {}", "exclusiveMinimum": "more than {}", "exclusiveMaximum": "less than {}",
    "minItems": "at least {} items", "maxItems": "at most {} items", "pattern": "matches {}",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Type:
    """What a value may be: alternatives, each a word or the name of a schema that the page has."""

    words: tuple[tuple[str, bool], ...]
    """A word, and whether it names a schema."""
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A line of a table: a property, or a parameter of `place` (path, query, header)."""

    name: str
    type: Type
    required: bool
    description: str
    rules: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: str
    description: str
    type: Type | None
    headers: tuple[str, ...]
    codes: tuple[tuple[str, str], ...]
    """Of problems: `code` and title."""
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    anchor: str
    method: str
    path: str
    summary: str
    description: str
    sign_in: tuple[str, ...]
    fields: tuple[Field, ...]
    body: Type | None
    body_examples: tuple[Example, ...]
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    name: str
    description: str
    values: tuple[str, ...]
    fields: tuple[Field, ...]
    examples: tuple[Example, ...]


def operations(document: Node) -> dict[str, list[Operation]]:
    """By tag, in the document's order."""
    found: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                node = methods[method]
                found.setdefault(node.get("tags", ["other"])[0], []).append(_operation(path, method, node))
    return found


def schemas(document: Node) -> list[Schema]:
    return [_schema(name, node) for name, node in sorted(document["components"]["schemas"].items())]


def _operation(path: str, method: str, node: Node) -> Operation:
    body: Node = node.get("requestBody", _EMPTY).get("content", _EMPTY)
    content = next(iter(body.values()), _EMPTY)
    return Operation(
        anchor=_ANCHOR.sub("-", f"{method}-{path.strip('/')}").strip("-"),
        method=method.upper(),
        path=path,
        summary=node.get("summary", ""),
        description=node.get("description", ""),
        sign_in=tuple(name for way in node.get("security", ()) for name in way),
        fields=tuple(_parameter(one) for one in node.get("parameters", ())),
        body=type_of(content["schema"]) if "schema" in content else None,
        body_examples=tuple(_examples(content)),
        answers=tuple(_answer(status, one) for status, one in sorted(node["responses"].items())),
    )


def _parameter(node: Node) -> Field:
    schema = node["schema"]
    described = node.get("description", schema.get("description", ""))
    return Field(node["name"], type_of(schema), node.get("required", False), described, rules(schema), node["in"])


def _answer(status: str, node: Node) -> Answer:
    media_type, content = next(iter(node.get("content", _EMPTY).items()), (_NOTHING, _EMPTY))
    described = type_of(content["schema"]) if content.get("schema") else None
    headers = tuple(node.get("headers", ()))
    if media_type != PROBLEM:
        return Answer(status, node["description"], described, headers, (), tuple(_examples(content)))
    examples = content.get("examples", _EMPTY)
    codes = tuple((one["value"]["code"], one["value"]["title"]) for one in examples.values())
    special = {name: one for name, one in examples.items() if one["value"].keys() - PLAIN}
    return Answer(status, "", None, headers, codes, tuple(_examples({"examples": special})))


def _examples(content: Node) -> Iterator[Example]:
    for name, one in content.get("examples", _EMPTY).items():
        value = one["value"]
        text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        yield Example(one.get("summary", name), text)


def _schema(name: str, node: Node) -> Schema:
    required = node.get("required", ())
    fields = (
        Field(one, type_of(schema), one in required, schema.get("description", ""), rules(schema))
        for one, schema in node.get("properties", _EMPTY).items()
    )
    examples = {f"Example {number}": {"value": one} for number, one in enumerate(node.get("examples", ()), 1)}
    values = tuple(map(str, node.get("enum", ())))
    return Schema(name, node.get("description", ""), values, tuple(fields), tuple(_examples({"examples": examples})))


def type_of(schema: Node) -> Type:
    """`anyOf`, `oneOf` and lists of types are alternatives; a list says of what."""
    if "items" in schema:
        return Type(type_of(schema["items"]).words, is_list=True)
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    if alternatives:
        of_each = [type_of(one) for one in alternatives]
        return Type(
            tuple(dict.fromkeys(word for one in of_each for word in one.words)), any(one.is_list for one in of_each)
        )
    return Type((_word(schema),))


def _word(schema: Node) -> tuple[str, bool]:
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2], True
    if "const" in schema:
        return json.dumps(schema["const"]), False
    if "enum" in schema:
        return " | ".join(json.dumps(one) for one in schema["enum"]), False
    kind = schema.get("type", "any")
    kind = " | ".join(kind) if isinstance(kind, list) else kind
    return (f"{kind} ({schema['format']})" if "format" in schema else kind), False


def rules(schema: Node) -> str:
    """Bounds and default in words; of alternatives, those of each."""
    parts = [text.format(schema[name]) for name, text in _BOUNDS.items() if name in schema]
    parts += [found for one in schema.get("anyOf", ()) if (found := rules(one))]
    if schema.get("default") is not None and schema["default"] != "":
        parts.append(f"default {json.dumps(schema['default'], ensure_ascii=False)}")
    if schema.get("examples"):
        parts.append(f"for example {json.dumps(schema['examples'][0], ensure_ascii=False)}")
    return ", ".join(parts)
