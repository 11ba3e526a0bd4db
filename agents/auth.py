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


def secret_of(request: Request) -> str:
    """The secret of the Authorization header. Raises Problem 401 when there is none, or another scheme."""
    scheme, _, secret = str(request.META.get("HTTP_AUTHORIZATION", "")).partition(" ")
    if scheme.lower() != "bearer" or not secret or " " in secret.strip():
        raise unauthorized()
    return secret.strip()


def caller_of(request: Request) -> Caller:
    """Who was recognised. Raises Problem 401 where nobody was."""
    if not isinstance(request.auth, Caller):
        raise unauthorized()
    return request.auth


class BearerKey(BaseAuthentication):
    """Recognises the key; a request without one that is in force ends here with 401."""

    def authenticate(self, request: Request) -> tuple[Caller, Caller]:
        secret = secret_of(request)
        # Calls that are answered as a set had their keys looked up together.
        callers: Mapping[str, Caller] | None = getattr(request, "callers", None)
        caller = keys.who(secret) if callers is None else callers.get(secret)
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
        needed = scopes.get(request.method or "", usual)
        caller = caller_of(request)
        if caller.agent_id is None:
            raise agents_only()
        if needed and needed not in caller.scopes:
            raise scope_missing(needed)
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
        # The answer's headers say what is left. Calls that are answered as a set were counted together.
        counted: limits.Allowance | None = getattr(request, "counted", None)
        allowance = counted or limits.take(caller_of(request).key_id)
        if allowance.exceeded:
            raise Problem(
                429,
                "too_many_requests",
                f"This key may call {allowance.limit} times a minute; again in {allowance.seconds_left} s.",
                headers=allowance.headers(),
            )
        request.allowance = allowance  # type: ignore[attr-defined]  # Call has it
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
