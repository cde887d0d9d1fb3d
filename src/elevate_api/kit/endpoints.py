"""Calls the function of a route, with all that can be known before the first request worked out beforehand.

FastAPI asks of every dependency of every request anew what kind of function it is, which scopes it has and whether it
is cached: on a route that asks nobody that is most of what an answer costs. Dependencies here become a list of steps
once. A route that is made of anything but what this service uses (async functions, generators of function scope,
classes; JSON in and out) stays with FastAPI, whose validation and whose transactions' order these are.
"""

import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import Enum, auto
from types import NoneType
from typing import Any

from fastapi.datastructures import DefaultPlaceholder
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_body_to_args, request_params_to_args
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form
from fastapi.routing import APIRoute, serialize_response
from pydantic_core import PydanticUndefined
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_SOURCES = ("path_params", "query_params", "headers", "cookies")
_FAILED = object()
"""Stands for what a dependency with invalid parameters would have answered: nobody who needs it is called."""


class _Foreign(Exception):
    """The route uses what only FastAPI knows how to do."""


class _Kind(Enum):
    AWAITED = auto()
    ENTERED = auto()
    MADE = auto()


@dataclass(frozen=True, slots=True)
class _Parameters:
    """What a function takes from one part of a request."""

    source: str
    fields: list[Any]
    names: frozenset[bytes]
    """Every way to spell them as headers."""
    unasked: dict[str, Any] | None
    """What they are where none of them is given; None where one is required or a default could be changed."""

    def left_out(self, scope: Scope) -> bool:
        if self.source == "query_params":
            return not scope["query_string"]
        return self.source == "headers" and self.names.isdisjoint(dict(scope["headers"]))


@dataclass(frozen=True, slots=True)
class _Step:
    """One function: its arguments are results of earlier steps (those without a name only go before) and parameters."""

    call: Callable[..., Any]
    kind: _Kind
    inputs: tuple[tuple[str | None, int], ...]
    parameters: tuple[_Parameters, ...]
    body_fields: list[Any]
    request_name: str | None
    response_name: str | None


def handler_of(route: APIRoute) -> Handler | None:
    """What answers a request of `route`; None when FastAPI is to do it."""
    try:
        return _Endpoint(route).answer
    except _Foreign:
        return None


class _Endpoint:
    def __init__(self, route: APIRoute) -> None:
        self._route = route
        self._takes_body = route.body_field is not None
        self._embeds = bool(route._embed_body_fields)  # noqa: SLF001  (as FastAPI has worked it out)
        if not isinstance(route.response_class, DefaultPlaceholder) or route.response_field is None or _odd(route):
            raise _Foreign
        self._steps: list[_Step] = []
        self._known: dict[Any, int] = {}
        self._add(route.dependant)
        *self._before, self._last = self._steps
        if self._last.kind is not _Kind.AWAITED:
            raise _Foreign
        self._shares = any(step.response_name is not None for step in self._steps)

    def _add(self, dependant: Dependant) -> int:
        key = (dependant.call, dependant.scope)
        if dependant.use_cache and key in self._known:
            return self._known[key]
        inputs = tuple((part.name, self._add(part)) for part in dependant.dependencies)
        self._steps.append(_step(dependant, inputs))
        self._known[key] = len(self._steps) - 1
        return self._known[key]

    async def answer(self, request: Request) -> Response:
        body = await _body(request) if self._takes_body else PydanticUndefined
        shared = _shared_response() if self._shares else None
        results: list[Any] = []
        errors: list[Any] = []
        stack: AsyncExitStack = request.scope["fastapi_function_astack"]
        for step in self._before:
            values = await self._arguments(step, request, shared, body, results, errors)
            results.append(_FAILED if values is None else await _done(step, values, stack))
        values = await self._arguments(self._last, request, shared, body, results, errors)
        if values is None:
            raise RequestValidationError(errors, body=None if body is PydanticUndefined else body)
        found = await self._last.call(**values)
        return found if isinstance(found, Response) else await self._written(found, shared)

    async def _arguments(
        self, step: _Step, request: Request, shared: Response | None, body: Any, results: list[Any], errors: list[Any]
    ) -> dict[str, Any] | None:
        """None when anything that the step needs is invalid; what is wrong is added to `errors`."""
        values = {name: results[place] for name, place in step.inputs if name is not None}
        fine = all(results[place] is not _FAILED for _, place in step.inputs)
        for part in step.parameters:
            if part.unasked is not None and part.left_out(request.scope):
                values.update(part.unasked)
                continue
            given, faults = request_params_to_args(part.fields, getattr(request, part.source))
            values.update(given)
            errors.extend(faults)
            fine = fine and not faults
        if step.body_fields:
            given, faults = await request_body_to_args(step.body_fields, body, self._embeds)
            values.update(given)
            errors.extend(faults)
            fine = fine and not faults
        if step.request_name is not None:
            values[step.request_name] = request
        if step.response_name is not None:
            values[step.response_name] = shared
        return values if fine else None

    async def _written(self, found: Any, shared: Response | None) -> Response:
        content = await serialize_response(
            field=self._route.response_field, response_content=found, dump_json=True,
            by_alias=self._route.response_model_by_alias,
            exclude_unset=self._route.response_model_exclude_unset,
            exclude_none=self._route.response_model_exclude_none,
        )  # fmt: skip
        status = self._route.status_code or 200
        if shared is None:
            return Response(content, status, media_type="application/json")
        response = Response(content, shared.status_code or status, media_type="application/json")
        response.headers.raw.extend(shared.headers.raw)
        return response


def _shared_response() -> Response:
    """Where dependencies and the handler leave headers and a status, as FastAPI hands it out."""
    shared = Response()
    del shared.headers["content-length"]
    shared.status_code = None  # type: ignore[assignment]  # nobody has said anything
    return shared


def _odd(route: APIRoute) -> bool:
    return bool(
        route.response_model_include
        or route.response_model_exclude
        or route.response_model_exclude_defaults
        or (route.body_field is not None and isinstance(route.body_field.field_info, Form))
    )


def _step(dependant: Dependant, inputs: tuple[tuple[str | None, int], ...]) -> _Step:
    call = dependant.call
    unknown = (
        dependant.websocket_param_name, dependant.background_tasks_param_name, dependant.security_scopes_param_name,
        dependant.own_oauth_scopes, dependant.concurrency,
        dependant.request_param_name and dependant.http_connection_param_name,
    )  # fmt: skip
    if call is None or any(unknown):
        raise _Foreign
    kind = _kind(call)
    if kind is _Kind.ENTERED and dependant.scope != "function":
        raise _Foreign
    kinds = (dependant.path_params, dependant.query_params, dependant.header_params, dependant.cookie_params)
    parameters = tuple(_parameters(source, fields) for source, fields in zip(_SOURCES, kinds, strict=True) if fields)
    # A connection is what security schemes take; a request is one.
    names = dependant.request_param_name or dependant.http_connection_param_name, dependant.response_param_name
    if kind is _Kind.ENTERED:
        call = asynccontextmanager(call)
    return _Step(call, kind, inputs, parameters, dependant.body_params, *names)


def _parameters(source: str, fields: list[Any]) -> _Parameters:
    spelled = {name for field in fields for name in (field.alias, field.name, field.name.replace("_", "-"))}
    return _Parameters(source, fields, frozenset(name.lower().encode() for name in spelled), _defaults(fields))


def _defaults(fields: Sequence[Any]) -> dict[str, Any] | None:
    plain = all(
        not field.field_info.is_required()
        and not field.field_info.validate_default
        and field.field_info.validation_alias in (None, field.alias)
        and isinstance(field.default, str | int | NoneType)
        for field in fields
    )
    return {field.name: field.default for field in fields} if plain else None


def _kind(call: Callable[..., Any]) -> _Kind:
    if inspect.isclass(call):  # its parameters, kept together; FastAPI would send it to a thread
        return _Kind.MADE
    if inspect.isasyncgenfunction(call):
        return _Kind.ENTERED
    if inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(getattr(call, "__call__", None)):  # noqa: B004
        return _Kind.AWAITED
    raise _Foreign


async def _done(step: _Step, values: Mapping[str, Any], stack: AsyncExitStack) -> Any:
    if step.kind is _Kind.AWAITED:
        return await step.call(**values)
    if step.kind is _Kind.MADE:
        return step.call(**values)
    return await stack.enter_async_context(step.call(**values))


async def _body(request: Request) -> Any:
    """The document; undefined where there is none. `kit.middleware.Guard` has refused what says that it is no JSON."""
    return await request.json() if await request.body() else PydanticUndefined
