"""What every endpoint does alike: recognise the key, count the call, read the body strictly, answer in JSON."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from functools import cached_property
from inspect import iscoroutinefunction
from io import BytesIO
from typing import ClassVar, Literal, TypeVar
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import limits, parsers, schemas, threads
from agents.auth import BearerKey, IsAgent, IsPerson, KeyRate
from agents.keys import Caller
from agents.parsers import is_json
from agents.problems import agents_only, invalid, people_only
from agents.schemas.build import Schema, integer, ref, text
from approvals.db import cursors, times
from approvals.db.cursors import Position
from approvals.models import Agent, User
from approvals.values.schema import Fault, Json

MOST_ROWS = 200
_ROWS = 50
# How every list is read page by page.
PAGED: Mapping[str, Schema] = {
    "limit": integer(1, MOST_ROWS, says=f"Rows of a page; {_ROWS} without it."),
    "cursor": text(1000, says="Where the page before ended."),
}

_Handler = TypeVar("_Handler", bound=Callable[..., object])


class OnlyJSON(BaseContentNegotiation):
    """There is one format, whatever the Accept header wishes for."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        return next(iter(parsers)) if is_json(request.content_type) else None

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class Call(Request):
    """A request with its caller. The body is read whatever Content-Length says: DRF takes a missing one for no body."""

    auth: Caller
    allowance: limits.Allowance | None = None
    # What was found out for all calls of a set together, see agents.submit.
    callers: Mapping[str, Caller] | None = None
    counted: limits.Allowance | None = None
    body_is_optional = False

    @cached_property
    def raw(self) -> bytes:
        """The body, one byte more than the limit of it where it is longer."""
        return self._request.read(parsers.LIMIT + 1)

    def _load_stream(self) -> None:
        raw = parsers.within_limit(self.raw)
        if not raw and not self.body_is_optional:
            raise parsers.empty()
        # None is DRF's word for no body; the stubs do not know it.
        self._stream = BytesIO(raw) if raw or not self.body_is_optional else None  # type: ignore[assignment]

    def json(self) -> Mapping[str, Json]:
        """The body as a JSON object. Raises Problem 400, 413, 415."""
        return dict(self.data)

    def shaped(self, name: str) -> Mapping[str, Json]:
        """The body as a JSON object of the shape of that name. Raises Problem 400, 413, 415, 422."""
        body = self.json()
        schemas.check(name, body)
        return body

    @property
    def agent_id(self) -> UUID:
        """The agent that calls. Raises Problem 403 for a person."""
        if self.auth.agent_id is None:
            raise agents_only()
        return self.auth.agent_id

    @property
    def user_id(self) -> UUID:
        """The person who calls. Raises Problem 403 for an agent."""
        if self.auth.user_id is None:
            raise people_only()
        return self.auth.user_id


class View(APIView):
    """An endpoint for any key."""

    authentication_classes = [BearerKey]
    throttle_classes = [KeyRate]
    content_negotiation_class = OnlyJSON
    metadata_class = None
    body_is_optional = False

    def initialize_request(self, request: HttpRequest, *args: object, **kwargs: object) -> Call:
        call = Call(
            request,
            parsers=self.get_parsers(),
            authenticators=self.get_authenticators(),
            negotiator=self.get_content_negotiator(),
            parser_context=self.get_parser_context(request),
        )
        call.body_is_optional = self.body_is_optional
        return call

    def finalize_response(self, request: Request, response: Response, *args: object, **kwargs: object) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        allowance = getattr(request, "allowance", None)
        if allowance is not None:
            for name, value in allowance.headers().items():
                response[name] = value
        return response


class AgentView(View):
    """An endpoint for agents. `scopes` says what a key needs, by method: without it READ to read, SUBMIT to write."""

    permission_classes = [IsAgent]
    scopes: ClassVar[Mapping[str, str]] = {}

    def agent(self, call: Call) -> Agent:
        return Agent.objects.get(pk=call.agent_id)


class HeldView(AgentView):
    """An endpoint whose calls may wait: the site's door calls it beside Django's handler (agents.door).

    Handlers that are coroutines hold no thread; the others run in one.
    """

    view_is_async = True

    async def dispatch(  # type: ignore[override]  # what is async is awaited by whoever calls the view
        self, request: HttpRequest, *args: object, **kwargs: object
    ) -> HttpResponseBase:
        call = self.begin(request, *args, **kwargs)
        try:
            response = await self.respond(call, *args, **kwargs)
        except Exception as error:
            response = self.handle_exception(error)
        return self.finalize_response(call, response, *args, **kwargs)

    def begin(self, request: HttpRequest, *args: object, **kwargs: object) -> Call:
        """The call of a request, where the framework's methods look for it."""
        self.args, self.kwargs = args, kwargs
        self.headers = self.default_response_headers
        self.request = call = self.initialize_request(request, *args, **kwargs)
        return call

    async def respond(self, call: Call, *args: object, **kwargs: object) -> Response:
        """Admit the call and have its method answer it. Raises what the method raises."""
        method = (call.method or "").lower()
        handler = getattr(self, method if method in self.http_method_names else "", self.http_method_not_allowed)
        if iscoroutinefunction(handler):
            await threads.reads.run(self.initial, call)
            response: Response = await handler(call, *args, **kwargs)
            return response
        return await threads.pages.run(self._admitted, handler, call, *args)

    def _admitted(self, handler: Callable[..., Response], call: Call, *args: object) -> Response:
        self.initial(call)
        return handler(call, *args, **self.kwargs)

    def readmit(self, call: Call) -> None:
        """Ask again who calls: the key may have been revoked meanwhile. Raises Problem 401, 403."""
        call._authenticate()  # type: ignore[attr-defined]  # the framework's own; its stubs leave it out
        self.check_permissions(call)


class PersonView(View):
    """An endpoint for people's tools."""

    permission_classes = [IsPerson]

    def person(self, call: Call) -> User:
        return User.objects.get(pk=call.user_id)


class Query:
    """The query string, every parameter known and given once. Raises Problem 422."""

    def __init__(self, call: Call, allowed: Collection[str]) -> None:
        self._given = call.query_params
        faults = [Fault(f"/{name}", "This parameter is not known.") for name in self._given if name not in allowed]
        faults += [
            Fault(f"/{name}", "Give this parameter once.") for name, values in self._given.lists() if len(values) > 1
        ]
        if faults:
            raise invalid(faults)

    def text(self, name: str, most: int = 1000) -> str:
        """A parameter of at most so many characters, as the document says; "" where it is not given."""
        given = self._given.get(name, "")
        if len(given) > most:
            raise invalid([Fault(f"/{name}", f"At most {most} characters.")])
        return given

    def choice(self, name: str, choices: Collection[str]) -> str:
        given = self.text(name)
        if name in self._given and given not in choices:
            raise invalid([Fault(f"/{name}", f"One of {', '.join(choices)}.")])
        return given

    def moment(self, name: str) -> datetime | None:
        given = self.text(name)
        if name not in self._given:
            return None
        at = times.read(given)
        if at is None:
            raise invalid([Fault(f"/{name}", "An RFC 3339 time with its zone, such as 2026-11-21T09:00:00Z.")])
        return at

    def uuid(self, name: str) -> UUID | None:
        given = self.text(name)
        if name not in self._given:
            return None
        try:
            return UUID(given)
        except ValueError:
            raise invalid([Fault(f"/{name}", "A UUID.")]) from None

    def seconds(self, name: str, most: float) -> float:
        """A span of at most so many seconds, with up to three decimals; 0 where it is not given."""
        given = self.text(name) if name in self._given else "0"
        if not re.fullmatch(r"\d{1,3}(\.\d{1,3})?", given) or float(given) > most:
            raise invalid([Fault(f"/{name}", f"Seconds from 0 to {most:.0f}.")])
        return float(given)

    def position(self, of: str) -> Position | None:
        """Where the page before ended in the list named `of`; None on its first page."""
        given = self.text("cursor")
        position = cursors.read(given, of)
        if given and position is None:
            raise invalid([Fault("/cursor", "This cursor is not of this list.")])
        return position

    def rows(self, most: int = MOST_ROWS, usual: int = _ROWS) -> int:
        """How many rows a page has: `limit`, 1 to `most`, else the usual number."""
        given = self.text("limit")
        if "limit" not in self._given:
            return usual
        if not given.isdecimal() or len(given) > 6 or not 1 <= int(given) <= most:
            raise invalid([Fault("/limit", f"A whole number from 1 to {most}.")])
        return int(given)


def documented(
    summary: str,
    *,
    answers: Mapping[int, str],
    body: str = "",
    parameters: Mapping[str, Schema] | None = None,
    headers: Mapping[str, Schema] | None = None,
    problems: Collection[int] = (),
    tag: str = "agents",
    name: str = "",
    media: str = "application/json",
) -> Callable[[_Handler], _Handler]:
    """The OpenAPI entry of an endpoint: names of shapes by status, parameters with their shapes and what they mean."""
    responses: dict[int | tuple[int, str], OpenApiResponse] = {
        (status, media): OpenApiResponse(dict(ref(shape)), "") for status, shape in answers.items()
    }
    responses |= refusals(problems)
    return extend_schema(
        summary=summary,
        operation_id=name or None,
        tags=[tag],
        request={"application/json": dict(ref(body))} if body else None,
        responses=responses,
        parameters=[
            *typed(parameters or {}, "query"),
            *typed(headers or {}, "header"),
        ],
    )


def refusals(problems: Collection[int]) -> dict[int | tuple[int, str], OpenApiResponse]:
    """What every endpoint may answer instead, and these."""
    return {
        (status, "application/problem+json"): OpenApiResponse(dict(ref("Problem")), "Problem")
        for status in sorted({401, 403, 405, 429, 503, *problems})
    }


def typed(parameters: Mapping[str, Schema], location: Literal["query", "header"]) -> list[OpenApiParameter]:
    """Parameters by their shapes; the description of a shape is the parameter's."""
    return [
        OpenApiParameter(
            name,
            {part: value for part, value in schema.items() if part != "description"},
            location,
            description=str(schema.get("description", "")),
        )
        for name, schema in parameters.items()
    ]
