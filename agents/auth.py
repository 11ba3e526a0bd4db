"""Who calls: `Authorization: Bearer` with an agent's key or a person's token."""

from collections.abc import Mapping

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from agents import keys, limits
from agents.keys import Caller
from agents.models import Scope
from agents.problems import Problem, agents_only, people_only, scope_missing, unauthorized


def secret_in(header: str) -> str:
    """The secret of an Authorization header. Raises Problem 401 when there is none, or another scheme."""
    scheme, _, secret = header.partition(" ")
    if scheme.lower() != "bearer" or not secret or " " in secret.strip():
        raise unauthorized()
    return secret.strip()


def agent_behind(secret: str, scope: str) -> Caller:
    """The agent that presents this secret. Raises Problem 401; 403 for a person's token or a key without the scope."""
    return as_agent(keys.who(secret), scope)


def as_agent(caller: Caller | None, scope: str) -> Caller:
    """The caller that was recognised, if it is an agent whose key may do this. Raises Problem 401, 403."""
    if caller is None:
        raise unauthorized()
    if caller.agent_id is None:
        raise agents_only()
    if scope and scope not in caller.scopes:
        raise scope_missing(scope)
    return caller


def limited(caller: Caller) -> limits.Allowance:
    """Count this call. Raises Problem 429 above the key's limit."""
    return within(limits.take(caller.key_id))


def within(allowance: limits.Allowance) -> limits.Allowance:
    """Raises Problem 429 for a call above its key's limit."""
    if allowance.exceeded:
        raise Problem(
            429,
            "too_many_requests",
            f"This key may call {allowance.limit} times a minute; again in {allowance.seconds_left} s.",
            headers=allowance.headers(),
        )
    return allowance


def caller_of(request: Request) -> Caller:
    """Who was recognised. Raises Problem 401 where nobody was."""
    if not isinstance(request.auth, Caller):
        raise unauthorized()
    return request.auth


class BearerKey(BaseAuthentication):
    """Recognises the key; a request without one that is in force ends here with 401."""

    def authenticate(self, request: Request) -> tuple[Caller, Caller]:
        caller = keys.who(secret_in(request.META.get("HTTP_AUTHORIZATION", "")))
        if caller is None:
            raise unauthorized()
        return caller, caller

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="assent"'


class IsAgent(BasePermission):
    """Agents ask; a person's token does not submit, cancel or read an agent's decision.

    The view's `scopes` name, by method, what the key must be made for; "" is nothing in particular.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        scopes: Mapping[str, str] = getattr(view, "scopes", {})
        # A method that a view says nothing of writes, unless it only reads.
        usual = Scope.READ if request.method in SAFE_METHODS else Scope.SUBMIT
        as_agent(caller_of(request), scopes.get(request.method or "", usual))
        return True


class IsPerson(BasePermission):
    """People decide; an agent's key never does."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if caller_of(request).user_id is None:
            raise people_only()
        return True


class KeyRate(BaseThrottle):
    """The limit of the key, counted on every call."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        # The answer's headers say what is left.
        request.allowance = limited(caller_of(request))  # type: ignore[attr-defined]  # Call has it
        return True


class BearerKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself by subclassing
    """How the OpenAPI document names it."""

    target_class = BearerKey
    name = "key"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An agent's key (asn_…) or, for the inbox, a personal token (asp_…).",
        }
