"""Problems in the OpenAPI document: one shared schema, an example for each code, nothing of FastAPI's own 422."""

from collections.abc import Iterator
from typing import Any, cast

from fastapi import FastAPI

from elevate_api.kit.problems import common
from elevate_api.kit.problems.base import MEDIA_TYPE, Problem

SCHEMA = "ProblemDocument"
_REFERENCE = "#/components/schemas/"
_REF = {"$ref": _REFERENCE + SCHEMA}
_ANY_ROUTE: tuple[type[Problem], ...] = (common.InternalError, common.DatabaseUnavailable)
_WITH_BODY: tuple[type[Problem], ...] = (common.MalformedJson, common.BodyTooLarge, common.UnsupportedMediaType)
_OPERATIONS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace", "query"})
_HEADER_DOCS = {
    "Retry-After": {"description": "Seconds to wait before trying again.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "The scheme to sign in with.", "schema": {"type": "string"}},
    "Link": {"description": 'The next page (`rel="next"`), when there is one.', "schema": {"type": "string"}},
    "Allow": {"description": "The methods that this path answers.", "schema": {"type": "string"}},
}


def responses(*types: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """Make what a route passes as `responses=`; several problems of one status become examples of one answer."""
    found: dict[int | str, dict[str, Any]] = {}
    add_responses(found, *types)
    return found


def add_responses(found: dict[int | str, dict[str, Any]], *types: type[Problem]) -> None:
    """Add problems to what a route passes as `responses=`."""
    for kind in types:
        _add(found.setdefault(kind.status, {}), kind)


def document_problems(app: FastAPI, *everywhere: type[Problem]) -> None:
    """Complete `app.openapi()`: what any route may answer is added to each, `code` becomes a closed list.

    Routes with input get VALIDATION_FAILED, those with a body also MALFORMED_JSON, BODY_TOO_LARGE and
    UNSUPPORTED_MEDIA_TYPE, all of them INTERNAL_ERROR, DATABASE_UNAVAILABLE and `everywhere`.
    """
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(generate(), everywhere)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _completed(document: dict[str, Any], everywhere: tuple[type[Problem], ...]) -> dict[str, Any]:
    codes: set[str] = set()
    for operation in _operations(document):
        answers = operation.setdefault("responses", {})
        _drop_default_422(answers)
        for kind in _implied(operation, everywhere):
            _add(answers.setdefault(str(kind.status), {}), kind)
        if _is_paged(operation):
            answers["200"].setdefault("headers", {})["Link"] = _HEADER_DOCS["Link"]
        operation["responses"] = dict(sorted(answers.items()))
        for answer in answers.values():
            codes.update(answer.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {}))
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas[SCHEMA] = _schema(sorted(codes))
    return _with_plain_names(document)


def _with_plain_names(document: dict[str, Any]) -> dict[str, Any]:
    """Call instances of generic schemas by their titles: `ThingPage`, where pydantic says `Page_Thing_`."""
    schemas = document["components"]["schemas"]
    plain = {name: schema["title"] for name, schema in schemas.items() if name.endswith("_") and "title" in schema}
    names = {old: new for old, new in plain.items() if new.isidentifier() and new not in schemas}
    document["components"]["schemas"] = {names.get(name, name): schema for name, schema in schemas.items()}
    renamed = {_REFERENCE + old: _REFERENCE + new for old, new in names.items()}
    return cast("dict[str, Any]", _with_references(document, renamed))


def _with_references(node: Any, renamed: dict[str, str]) -> Any:
    if isinstance(node, dict):
        return {
            key: renamed.get(value, value) if key == "$ref" else _with_references(value, renamed)
            for key, value in node.items()
        }
    return [_with_references(item, renamed) for item in node] if isinstance(node, list) else node


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document.get("paths", {}).values():
        for method, operation in path.items():
            if method in _OPERATIONS:
                yield operation


def _is_paged(operation: dict[str, Any]) -> bool:
    names = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"}
    return "cursor" in names and "200" in operation["responses"]


def _implied(operation: dict[str, Any], everywhere: tuple[type[Problem], ...]) -> Iterator[type[Problem]]:
    if "requestBody" in operation:
        yield from _WITH_BODY
    if "requestBody" in operation or operation.get("parameters"):
        yield common.ValidationFailed
    yield from everywhere
    yield from _ANY_ROUTE


def _drop_default_422(answers: dict[str, Any]) -> None:
    content = answers.get("422", {}).get("content", {})
    if content.get("application/json", {}).get("schema", {}).get("$ref", "").endswith("/HTTPValidationError"):
        del content["application/json"]
        if not content:
            del answers["422"]


def _add(answer: dict[str, Any], kind: type[Problem]) -> None:
    media = answer.setdefault("content", {}).setdefault(MEDIA_TYPE, {"schema": dict(_REF), "examples": {}})
    media["examples"][kind.code] = {"summary": kind.title, "value": _example(kind)}
    answer["description"] = "; ".join(example["summary"] for example in media["examples"].values())
    headers = {name: _HEADER_DOCS[name] for name in kind.default_headers if name in _HEADER_DOCS}
    if headers:
        answer.setdefault("headers", {}).update(headers)


def _example(kind: type[Problem]) -> dict[str, Any]:
    example = kind().document(instance="/api/example", request_id="0198f3d09c3b7cc2a4b7e21d6f0f5a10")
    if kind is common.ValidationFailed:
        example["errors"] = [{"pointer": "/payload/peersTrained", "message": "Input should be a valid integer"}]
    return {**example, **kind.example}


def _schema(codes: list[str]) -> dict[str, Any]:
    text = {"type": "string"}
    fault = {
        "type": "object",
        "required": ["pointer", "message"],
        "properties": {
            "pointer": {
                **text,
                "description": "JSON pointer into the body, or `query/name`, `path/name`, `header/name`.",
            },
            "message": text,
        },
    }
    return {
        "type": "object",
        "title": SCHEMA,
        "description": "RFC 9457 problem details. Some problems carry more members, with snake_case names.",
        "required": ["type", "title", "status", "detail", "instance", "code", "request_id"],
        "properties": {
            "type": {**text, "format": "uri-reference", "description": "Identifies the kind of problem."},
            "title": {**text, "description": "The kind of problem in words; the same for every occurrence."},
            "status": {"type": "integer", "description": "The HTTP status."},
            "detail": {**text, "description": "What happened this time, for people."},
            "instance": {"type": ["string", "null"], "description": "The path that was asked."},
            "code": {**text, "enum": codes, "description": "Stable name of the problem, for programs."},
            "request_id": {"type": ["string", "null"], "description": "Names this request in our logs."},
            "errors": {"type": "array", "items": fault, "description": "The faults of the input (422)."},
        },
        "additionalProperties": True,
    }
