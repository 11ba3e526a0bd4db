"""An executor holds an action against what was approved: permits, leases, and the keys to verify them with."""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe
from rest_framework.response import Response

from agents import documents
from agents.api.base import AgentView, Call, Query, documented
from agents.api.requests import own
from agents.models import ApiKey, Scope
from approvals.db import times
from approvals.execution import leases, permits
from approvals.execution.consume import PermitUse, consume
from approvals.policy import snapshot
from approvals.policy.snapshot import NoPolicy

_LEASE = 60  # seconds
# A verifier that meets a kid it does not know asks again: a longer life gains nothing.
_KEPT = 300


class Consume(AgentView):
    """The one use of a permit."""

    scopes = {"POST": Scope.EXECUTE}

    @documented(
        "Use a permit just before the action runs; it succeeds once",
        name="consume_permit",
        body="PermitUse",
        answers={200: "PermitUsed"},
        problems=[400, 404, 409, 413, 415, 422],
    )
    def post(self, call: Call, jti: UUID) -> Response:
        body = call.shaped("PermitUse")
        observed = body.get("preconditions")
        use = PermitUse(
            jti=jti,
            permit=str(body["permit"]),
            digest=str(body["action_digest"]),
            attempt=str(body["attempt"]),
            executor=str(body.get("executor", "")),
            observed=observed if isinstance(observed, Mapping) else {},
        )
        used = consume(use, by=self.agent(call))
        proposal = used.approval.proposal
        return Response(
            {
                "jti": str(used.consumption.jti),
                "request": str(used.approval.request_id),
                "item": used.approval.item,
                "action": proposal.name if proposal else "",
                "action_digest": used.approval.digest,
                "attempt": used.consumption.attempt,
                "consumed_at": documents.moment(used.consumption.consumed_at),
                "replayed": used.replayed,
            }
        )


class Lease(AgentView):
    """Which of an agent's workers acts on a decision."""

    scopes = {"POST": Scope.EXECUTE}

    @documented(
        "Take, extend or return the lease on a request: one worker acts on its decision",
        name="lease_request",
        body="LeaseWish",
        answers={200: "LeaseState"},
        problems=[400, 404, 409, 413, 415, 422],
    )
    def post(self, call: Call, pk: UUID) -> Response:
        body = call.shaped("LeaseWish")
        request, worker = own(call.agent_id, pk), str(body["worker"])
        if body.get("release"):
            leases.release(request, worker=worker)
            return Response({"worker": worker, "until": None})
        seconds = body.get("seconds", _LEASE)
        span = timedelta(seconds=float(seconds) if isinstance(seconds, int | float) else _LEASE)
        return Response({"worker": worker, "until": documents.moment(leases.lease(request, worker=worker, span=span))})


class Whoami(AgentView):
    """Whom the server takes the caller for."""

    scopes = {"GET": ""}

    @documented("Read who calls, and what the key may do", name="whoami", answers={200: "Whoami"}, problems=[422])
    def get(self, call: Call) -> Response:
        Query(call, [])
        key = ApiKey.objects.get(pk=call.auth.key_id)
        try:
            version = snapshot.current().number
        except NoPolicy:
            version = None
        return Response(
            {
                "agent": call.auth.agent_name,
                "key": {
                    "prefix": key.prefix,
                    "name": key.name,
                    "scopes": [one for one in Scope.values if one in key.scopes],
                    "expires_at": documents.moment(key.expires_at),
                },
                "policy_version": version,
                "now": documents.moment(times.now()),
            }
        )


@require_safe
def jwks(request: HttpRequest) -> HttpResponse:
    """`/.well-known/jwks.json`: the public halves (RFC 7517) of all keys whose tokens may still be in force."""
    body = json.dumps(permits.jwks(now=times.now()), separators=(",", ":")).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    answer = HttpResponse(body, content_type="application/jwk-set+json")
    answer["ETag"] = etag
    answer["Cache-Control"] = f"public, max-age={_KEPT}"
    answer["X-Content-Type-Options"] = "nosniff"
    conditional = get_conditional_response(request, etag=etag, response=answer)
    return conditional if isinstance(conditional, HttpResponse) else answer
