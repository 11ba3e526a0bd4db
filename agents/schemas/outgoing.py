"""The shapes of what we answer; the tests hold every answer against them."""

from agents.schemas.build import (
    ANY_OBJECT,
    ANYTHING,
    DIGEST,
    FLAG,
    ID,
    STRING,
    TIME,
    WHOLE,
    Schema,
    answer_object,
    array,
    fields,
    one_of,
    or_null,
    ref,
)
from agents.schemas.confidence import CONFIDENCE, REASON, SHADOW, SIGNAL
from approvals.models import ApprovalRequest, Outcome, PostReview
from approvals.models.policy import Accompanying, Gate, Impact, Reversibility, Silence, Strategy, Verdict
from approvals.models.states import ItemType, Kind, Route, Source, Status
from approvals.models.verdict import RecallReason

AHEAD_OF = [PostReview.Why.VETO.value, PostReview.Why.REVIEW.value]
_LINK: Schema = {"type": "string", "format": "uri"}
_SECONDS: Schema = {"type": "number", "minimum": 0}
LABELS: Schema = {"type": "object", "additionalProperties": STRING}
_RUN = answer_object(id=STRING, name=STRING, step=STRING)
_SETTLED = ("decided", "expired", "cancelled", "recalled")
_DECIDED_BY = answer_object(tier=WHOLE, name=STRING)
_CURSOR: Schema = {**or_null(STRING), "description": "Give it as ?cursor= for the next page; null: this was the last."}

_STAGED: dict[str, Schema] = {
    "stages": array(
        answer_object(tier=WHOLE, domain=STRING, approvers=WHOLE),
        says="Who approves one after the other; empty where everybody is asked at once.",
    ),
    "typed": {**FLAG, "description": "Whoever approves it types a value, on the page."},
}
_STAGE: dict[str, Schema] = {"stage": {**or_null(WHOLE), "description": "In which of the stages it is, from 1."}}
_APPROVED_BY = array(
    answer_object(name=STRING, tier=WHOLE, domain=STRING, stage=or_null(WHOLE)),
    says="Everybody whose approval it took, in order; stage counts from 1, null: all were asked at once.",
)

_ROUTED: dict[str, Schema] = {
    "route": one_of(Route.values),
    "gate": one_of(Gate.values),
    "tier": WHOLE,
    "domain": {**STRING, "description": "Whose people decide, or decide first."},
    "approvers": {**WHOLE, "description": "How many people must approve; with stages, in the present one."},
    **_STAGED,
    "reason_code": {**STRING, "description": "Why, in a word for programs; the help on requests lists them."},
    "reasons": array(ref("Reason"), says="Why it takes this route."),
}

# What a list of cards shows; `null` where the reader may see that it exists and not what it says.
_ENTRY: dict[str, Schema] = {
    "id": ID,
    "request": {**ID, "description": "What the agent asked in one request; others of the same are its siblings."},
    "item": {**or_null(STRING), "description": "The agent's own id of it."},
    "run": {**or_null(_RUN), "description": "The agent's workflow, in its own words; null: none."},
    "labels": {**LABELS, "description": "The agent's own, of the whole request."},
    "headline": {**STRING, "description": "What would run, computed from the arguments."},
    "action": or_null(STRING),
    "item_type": one_of(ItemType.values),
    "agent": STRING,
    "kind": one_of(Kind.values),
    "status": one_of(Status.values),
    "urgency": one_of(("low", "medium", "high", "critical"), says="By the used share of the time to expires_at."),
    "pending_s": {**_SECONDS, "description": "Seconds since it was submitted."},
    "queue": STRING,
    "tier": WHOLE,
    "domain": STRING,
    "gate": one_of(Gate.values),
    **_STAGED,
    **_STAGE,
    "revision": WHOLE,
    "round": WHOLE,
    "digest": DIGEST,
    "flags": array(answer_object(name=STRING, text=STRING)),
    "claimed_by": or_null(STRING),
    "created_at": TIME,
    "due_at": or_null(TIME),
    "expires_at": or_null(TIME),
    "on_timeout": one_of(Silence.values),
}

COMPONENTS: dict[str, Schema] = {
    "Confidence": CONFIDENCE,
    "Reason": REASON,
    "Signal": SIGNAL,
    "Shadow": SHADOW,
    "ItemState": answer_object(
        {**_ROUTED, **_STAGE},
        optional=("expected_wait_s", "at_deadline", "retry_at", "runs_before_review"),
        id=STRING,
        votes={**WHOLE, "description": "How many of approvers have approved."},
        action=or_null(STRING),
        status=one_of(("pending", *_SETTLED, "superseded")),
        revision=WHOLE,
        action_digest=DIGEST,
        due_at={**or_null(TIME), "description": "When its tier should have answered; then the next one is asked."},
        expires_at={**or_null(TIME), "description": "The deadline; null: none."},
        on_timeout=one_of(Silence.values),
        outcome=or_null(one_of(Outcome.Result.values)),
        confidence=or_null(ref("Confidence")),
        shadow=or_null(ref("Shadow")),
        expected_wait_s={
            **_SECONDS,
            "description": "Seconds until it is probably answered, by who waits ahead, who is on duty and how fast "
            "they are; absent where too little was decided yet.",
        },
        at_deadline={**STRING, "description": "What happens at expires_at if nobody decides, in words."},
        retry_at={
            **or_null(TIME),
            "description": "Refused for want of room or of anybody on duty (reason_code degraded): when to ask again.",
        },
        runs_before_review=answer_object(
            says="It goes on before its review.",
            why=one_of(AHEAD_OF, says="veto: unless stopped in time; review: its run is reviewed when it has ended."),
            until={**or_null(TIME), "description": "veto: until when it can be stopped."},
            finding=one_of(PostReview.Finding.values, says="flagged: nothing may run by its permit; undo what ran."),
        ),
    ),
    "RequestState": answer_object(
        says="One request: everything that one request of an agent needs answered.",
        optional=("decision", "questions"),
        id=ID,
        status=one_of(ApprovalRequest.Status.values),
        created_at=TIME,
        closed_at=or_null(TIME),
        decide=one_of(ApprovalRequest.Decide.values),
        run=or_null(_RUN),
        labels=LABELS,
        review_url=_LINK,
        decision_url=_LINK,
        items=array(ref("ItemState")),
        questions=array(ref("Question"), says="Of reviewers, unanswered; the deadline does not wait for the answer."),
        decision=ref("DecisionDocument"),
    ),
    "DecidedItem": fields(
        ["id", "status", "verdict", "source", "message"],
        id=STRING,
        status=one_of(_SETTLED, says="Only a decided item may run."),
        verdict=or_null(one_of(Verdict.values)),
        alternative=or_null(STRING),
        source=or_null(one_of(Source.values)),
        action=or_null(ref("Action")),
        action_digest=DIGEST,
        permit={**or_null(STRING), "description": "A JWS, present when it may run: one use, bound to action_digest."},
        answer=ANYTHING,
        message={**or_null(STRING), "description": 'null: no message; "" is a message.'},
        reasons=array(ref("Reason"), says="Why policy refused it; `message` says the same in one."),
        reason=one_of(RecallReason.values, says="recalled: why it was taken back."),
        recalled_at=TIME,
        recalled_by=_DECIDED_BY,
        stop=FLAG,
        remember=ANYTHING,
        compensate=array(ANYTHING),
        plan=or_null(ANY_OBJECT),
        guidance=or_null(STRING),
        decided_at=TIME,
        decided_by=or_null(_DECIDED_BY),
        approved_by=_APPROVED_BY,
        policy_version=WHOLE,
        shadow=ref("Shadow"),
    ),
    "DecisionDocument": answer_object(
        says="Immutable once the request is closed: the same bytes at every reading. Where an item is recalled since, "
        "there is a second document, and the first stays as it was.",
        optional=("resume", "questions"),
        request=ID,
        status=one_of(ApprovalRequest.Status.values),
        items=array(ref("DecidedItem")),
        questions=array(ref("Question"), says="202: of reviewers, unanswered."),
        resume=ANY_OBJECT,
    ),
    "BulkAnswer": answer_object(
        results=array(
            answer_object(
                optional=("request", "problem"),
                status={**WHOLE, "description": "What the request alone would have been answered with."},
                request=ref("RequestState"),
                problem=ref("Problem"),
            )
        )
    ),
    "RequestList": answer_object(requests=array(ref("RequestState")), next=_CURSOR),
    "OutcomeState": answer_object(
        item=STRING,
        result=one_of(Outcome.Result.values),
        detail=STRING,
        data=ANY_OBJECT,
        reported_at=TIME,
    ),
    "Evaluation": answer_object(
        policy_version=WHOLE,
        items=array(
            answer_object(
                _ROUTED,
                id=STRING,
                approvers=WHOLE,
                confidence=or_null(ref("Confidence")),
                shadow=or_null(ref("Shadow")),
            )
        ),
    ),
    "ActionType": answer_object(
        name=STRING,
        title=STRING,
        domain=STRING,
        schema=ANY_OBJECT,
        schema_version=WHOLE,
        reversibility=one_of(Reversibility.values),
        strategy=one_of(Strategy.values),
        gate=one_of(Gate.values),
        tier=WHOLE,
        approvers=WHOLE,
        allowed=array(one_of(Verdict.values)),
        value_ceiling={**or_null(STRING), "description": "Up to this value in base currency its lowest tier decides."},
        currency=STRING,
        expires_after_s=_SECONDS,
        required=array(
            one_of(Accompanying.values), says="What a request must say beside its arguments; else it is a 422."
        ),
        on_timeout=one_of(Silence.values),
    ),
    "ActionTypeList": answer_object(action_types=array(ref("ActionType")), policy_version=WHOLE),
    "InboxEntry": answer_object(_ENTRY),
    "InboxList": answer_object(approvals=array(ref("InboxEntry")), next=_CURSOR),
    "Card": answer_object(
        _ENTRY,
        says="Everything a decision needs. Texts of the agent are unverified.",
        siblings=array(
            answer_object(
                id=ID,
                item=or_null(STRING),
                headline=STRING,
                status=one_of(Status.values),
                verdict=or_null(one_of(Verdict.values)),
            ),
            says="The other items of its request, in the agent's order.",
        ),
        arguments=ANYTHING,
        parsed=FLAG,
        allowed=array(one_of(Verdict.values), says="What this token may give here now; empty for manual gates."),
        summary=or_null(STRING),
        reasoning=or_null(STRING),
        context=ANYTHING,
        current=ANYTHING,
        alternatives=array(ANYTHING),
        attachments=array(ref("Attachment"), says="Files beside it, part of what is approved."),
        questions=array(
            answer_object(
                {"from": STRING}, text=STRING, asked_at=TIME, answer=or_null(STRING), answered_at=or_null(TIME)
            ),
            says="Of reviewers, with the agent's unverified answers.",
        ),
        question=or_null(answer_object(prompt=STRING, response_schema=ANY_OBJECT, best_guess=ANYTHING)),
        plan=or_null(answer_object(steps=array(ANYTHING))),
        remember=array(ANYTHING),
        policy_text=STRING,
        policy_version=WHOLE,
        reason_code=STRING,
        reasons=array(ref("Reason")),
        signals=array(ANY_OBJECT),
        confidence=or_null(ref("Confidence")),
        shadow=or_null(ref("Shadow")),
        value=or_null(STRING),
        impact=one_of(Impact.values),
        reversibility=one_of(Reversibility.values),
        attempt={**WHOLE, "description": "From 2 on it nearly repeats what was rejected."},
        repeats={**or_null(ID), "description": "The rejected approval that it nearly repeats."},
        approvers=WHOLE,
        votes=WHOLE,
        verdict=or_null(one_of(Verdict.values)),
        decided_by=or_null(STRING),
        approved_by=_APPROVED_BY,
        decided_at=or_null(TIME),
        held_until=or_null(TIME),
        may_recall={**FLAG, "description": "It was released, its permit is unused, and this token may take it back."},
        recalled={
            **or_null(
                answer_object(by=STRING, tier=WHOLE, reason=one_of(RecallReason.values), message=STRING, at=TIME)
            ),
            "description": "Who took it back after its release, and why.",
        },
        ended={**or_null(STRING), "description": "How a verdict ended that was held when its agent withdrew it."},
        post_review={
            **or_null(
                answer_object(
                    why=one_of(PostReview.Why.values),
                    until=or_null(TIME),
                    finding=one_of(PostReview.Finding.values),
                    by=or_null(STRING),
                    at=or_null(TIME),
                    note=STRING,
                )
            ),
            "description": "That it ran without a person, and what one found who looked later; null: nobody looks.",
        },
        timeline=array(answer_object(seq=WHOLE, kind=STRING, text=STRING, actor=STRING, at=TIME, facts=ANY_OBJECT)),
    ),
    "AgentState": answer_object(agent=STRING, paused=FLAG, since=or_null(TIME)),
    "RejectedAll": answer_object(rejected=WHOLE),
    "StopState": answer_object(stopped=FLAG, since=or_null(TIME), by=or_null(STRING), why=or_null(STRING)),
    "BatchAnswer": answer_object(results=array(answer_object(id=ID, ok=FLAG, text=STRING))),
    "Problem": fields(
        ["type", "title", "status", "detail", "code"],
        says="RFC 9457. `code` is stable.",
        type={**STRING, "description": "An address: the code in the help."},
        title=STRING,
        status=WHOLE,
        detail=STRING,
        code=STRING,
        errors=array(
            answer_object(pointer={**STRING, "description": "JSON pointer into what was sent."}, message=STRING)
        ),
        now={**ANY_OBJECT, "description": "409: how it stands now."},
        offered=array(STRING, says="verdict_not_offered: what may be given."),
        scope={**STRING, "description": "scope_missing: what the key lacks."},
        until={**TIME, "description": "leased: when the other worker's lease ends."},
        returned={
            **or_null(answer_object(request=ID, decision_url=_LINK, review_url=_LINK)),
            "description": "world_moved: where people are asked again; null: policy takes it no more.",
        },
    ),
}
