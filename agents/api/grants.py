"""Standing approvals as their agent reads them, and what it did by them while it could not ask."""

from collections.abc import Mapping
from uuid import UUID

from rest_framework.response import Response

from agents import documents
from agents.api.base import AgentView, Call, Query, documented
from agents.models import Scope
from agents.problems import invalid, not_found
from approvals.db import times
from approvals.execution import offline_grants
from approvals.execution.offline_grants import OfflineUse
from approvals.models import Grant
from approvals.policy import messages
from approvals.values.schema import Fault, Json


class Grants(AgentView):
    """What the agent may do without asking."""

    @documented(
        "List the agent's standing approvals in force, with tokens for offline use",
        name="list_grants",
        answers={200: "GrantList"},
        problems=[422],
    )
    def get(self, call: Call) -> Response:
        Query(call, [])
        own_grants = offline_grants.grants_with_tokens(self.agent(call), now=times.now())
        return Response({"grants": [_grant_document(grant, token) for grant, token in own_grants]})


class GrantUses(AgentView):
    """What ran by a token."""

    scopes = {"POST": Scope.EXECUTE}

    @documented(
        "Report what ran by a token while Assent could not be reached; each use by its key, once",
        name="report_grant_uses",
        body="GrantUses",
        answers={200: "GrantUsesRecorded"},
        problems=[400, 404, 409, 413, 415, 422],
    )
    def post(self, call: Call, pk: UUID) -> Response:
        grant = Grant.objects.filter(agent=call.agent_id, pk=pk).first()
        if grant is None:
            raise not_found()
        body = call.shaped("GrantUses")
        sent = body["uses"] if isinstance(body["uses"], list) else []
        uses = [_use(one, place) for place, one in enumerate(sent) if isinstance(one, Mapping)]
        if len({use.key for use in uses}) < len(uses):
            raise invalid([Fault("/uses", "Each use has a key of its own.")])
        recorded = offline_grants.report(grant, uses, by=self.agent(call))
        return Response(
            {
                "uses": [
                    {
                        "key": recorded_use.use.key,
                        "request": str(recorded_use.approval.request_id),
                        "status": "violation" if recorded_use.faults else "recorded",
                        "reasons": messages.documents(fault.as_json() for fault in recorded_use.faults),
                        "replayed": recorded_use.replayed,
                    }
                    for recorded_use in recorded
                ]
            }
        )


def _grant_document(grant: Grant, token: str | None) -> dict[str, Json]:
    return {
        "id": str(grant.pk),
        "action": grant.action_type_id,
        "conditions": grant.conditions,
        "expression": grant.expression,
        "most": grant.most,
        "used": grant.used,
        "expires_at": documents.moment(grant.expires_at),
        "offline": grant.reserved > 0,
        "reserved": grant.reserved,
        "token": token,
    }


def _use(sent: Mapping[str, Json], index: int) -> OfflineUse:
    action = sent["action"]
    named = action if isinstance(action, Mapping) else {}
    at = times.read(str(sent["at"]))
    if at is None:
        raise invalid([Fault(f"/uses/{index}/at", "An RFC 3339 time with its zone, such as 2026-11-21T09:00:00Z.")])
    return OfflineUse(
        key=str(sent["key"]),
        at=at,
        action=str(named.get("name", "")),
        args=named.get("args", {}),
        digest=str(sent["action_digest"]),
        subject=str(sent.get("subject", "")),
        outcome=str(sent.get("outcome") or ""),
        detail=str(sent.get("detail", "")),
    )
