"""Nothing runs but what was approved: the permit held against the action that is about to run, then used, once.

An executor in another process or service does the same with a client of its own: `Assent(…).consume(permit, args)`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from assent import tokens
from assent.core import Core
from assent.digest import action_digest
from assent.errors import BadRequest, PermitRefused, Recalled, Stopped, WorldMoved
from assent.flows import denial_of
from assent.shapes import Consumed, Decision, Json, Object, Observe, Verdict
from assent.tokens import Token
from assent.wire import Flow, invoke

# The server's codes as the reasons of PermitRefused.
REASONS: Mapping[str, str] = {
    "permit_consumed": "consumed",
    "permit_expired": "expired",
    "permit_tampered": "signature",
    "permit_mismatch": "digest",
    "permit_foreign": "foreign",
    "not_found": "foreign",
    "precondition_unknown": "precondition_unknown",
    "agent_paused": "paused",
    "run_stopped": "stopped",
    "vetoed": "stopped",
}


def check_permit(
    token: Token,
    *,
    agent: str,
    args: Json,
    action: str | None = None,
    request: str | None = None,
    item: str | None = None,
    revision: int = 0,
    attachments: Sequence[str] | None = None,
    now: float | None = None,
) -> str:
    """Hold a permit against what is about to run; return the digest of it, computed anew.

    `revision` is the newest that the caller knows, `attachments` are digests of files (None: those of the permit),
    `now` seconds since 1970. Checks everything but the signature. Raises PermitRefused: audience, action, request,
    revision, expired, digest.
    """
    if token.text("aud") != agent:
        text = f"The permit is for the agent {token.text('aud')!r}, and this is {agent!r}."
        raise PermitRefused(text, reason="audience")
    if action is not None and token.text("action") != action:
        text = f"The permit is for {token.text('action')!r}, and {action!r} is about to run."
        raise PermitRefused(text, reason="action")
    if (request or token.text("request"), item or token.text("item")) != (token.text("request"), token.text("item")):
        text = f"The permit is for another request: {token.text('request')}, item {token.text('item')!r}."
        raise PermitRefused(text, reason="request")
    if token.number("revision") < revision:
        text = f"The permit is for revision {token.number('revision')}; the request was amended: revision {revision}."
        raise PermitRefused(text, reason="revision")
    tokens.in_time(token, now=now)
    bound = token.claims.get("attachments")
    files = [str(one) for one in bound] if isinstance(bound, list) else []
    digest = action_digest(
        agent=agent,
        action=token.text("action"),
        schema_version=token.number("schema_version"),
        args=args,
        subject=token.text("subject"),
        attachments=files if attachments is None else attachments,
    )
    if digest != token.text("action_digest"):
        text = "What is about to run is not what was approved: its digest is another one. Nothing runs."
        raise PermitRefused(text, reason="digest")
    return digest


def consume(
    core: Core,
    decision: Decision | Verdict | str,
    args: Mapping[str, Json] | None,
    *,
    preconditions: Observe | Object | None = None,
    attempt: str | None = None,
    executor: str = "",
    attachments: Sequence[str] | None = None,
    revision: int = 0,
) -> Flow[Consumed]:
    """Hold the permit against the action, look at the world again, and use it."""
    token, approved, request, action = permit_in(decision)
    agent = yield from core.name()
    about_to_run = dict(args) if args is not None else approved
    digest = check_permit(
        token,
        agent=agent,
        args=about_to_run,
        action=action,
        request=request,
        item=decision.id if isinstance(decision, Verdict) else None,
        revision=revision,
        attachments=attachments or None,
    )
    if tokens.can_verify():
        yield from tokens.verified(core, token)
    observed = (yield from invoke(preconditions)) if callable(preconditions) else preconditions
    permit_use: dict[str, Json] = {
        "permit": token.raw,
        "action_digest": digest,
        "attempt": attempt or secrets.token_hex(16),
    }
    if executor:
        permit_use["executor"] = executor
    if isinstance(observed, Mapping):
        permit_use["preconditions"] = dict(observed)
    try:
        answer = yield from core.post(f"permits/{quote(token.text('jti'), safe='')}/consume", permit_use)
    except BadRequest as error:
        if error.code == "recalled":
            taken_back = Verdict(id=token.text("item"), status="recalled", message=str(error))
            raise Recalled(str(error), request=token.text("request"), item=taken_back) from error
        raise refusal_of(error) from error
    confirmation = answer.json()
    if confirmation.get("action_digest") != digest or confirmation.get("jti") != token.text("jti"):
        raise PermitRefused("The answer is about another permit. Nothing runs.", reason="digest")
    return Consumed(
        jti=token.text("jti"),
        request=str(confirmation.get("request", "")),
        item=str(confirmation.get("item", "")),
        action=str(confirmation.get("action", "")),
        action_digest=digest,
        attempt=str(confirmation.get("attempt", "")),
        consumed_at=str(confirmation.get("consumed_at", "")),
    )


def permit_in(decision: Decision | Verdict | str) -> tuple[Token, Json, str | None, str | None]:
    """The permit, the approved arguments, the request and the action as the decision tells them.

    Raises Denied where it may not run, PermitRefused (missing) where nothing proves that it may.
    """
    if isinstance(decision, str):
        return tokens.read(decision), None, None, None
    item = decision.item if isinstance(decision, Decision) else decision
    request = decision.request if isinstance(decision, Decision) else None
    no = denial_of(item, request or "")
    if no is not None:
        raise no
    if not item.may_run or not item.permit:
        raise PermitRefused("The decision carries no permit, so nothing may run by it.", reason="missing")
    return tokens.read(item.permit), item.args, request, item.action


def refusal_of(error: BadRequest) -> PermitRefused | BadRequest:
    """The server's refusal of a permit as the error of this package."""
    if error.code == "world_moved":
        returned = error.problem.get("returned")
        again = str(returned.get("request", "")) if isinstance(returned, Mapping) else ""
        return WorldMoved(str(error), returned=again)
    if error.code == "stopped":
        return Stopped(str(error))
    reason = REASONS.get(error.code)
    return PermitRefused(str(error), reason=reason) if reason else error
