"""The shapes of a confidence and of what shadow mode did not ask."""

from agents.schemas.build import (
    ANY_OBJECT,
    FLAG,
    NUMBER,
    STRING,
    WHOLE,
    Schema,
    answer_object,
    array,
    one_of,
    or_null,
    ref,
)
from approvals.models.policy import Gate, Impact
from approvals.models.states import Route
from approvals.policy.precedent.signals import WEIGHTS
from approvals.policy.reasons import CODES

_SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}

SIGNAL: Schema = answer_object(
    says="One part of the confidence.",
    name=one_of(list(WEIGHTS)),
    value=_SHARE,
    weight={**NUMBER, "description": "Before the weights of what is there are brought to 1."},
    ours={**FLAG, "description": "From our own history and policy; false: as the agent states it."},
    note=STRING,
)

CONFIDENCE: Schema = answer_object(
    says="What the confidence is made of, and what the bands compared.",
    score={**or_null(_SHARE), "description": "The composite, or `observed.share` where that is less."},
    shown=one_of(("observed", "composite"), says="Which of the two `score` is."),
    composite={**or_null(_SHARE), "description": "The weighted mean; null: nothing carries weight."},
    own={**or_null(_SHARE), "description": "The same of our own signals alone; it must reach thresholds.review, too."},
    observed=or_null(
        answer_object(
            says="What people made of earlier proposals with such a composite. It refuses nothing.",
            share={**_SHARE, "description": "Approved unchanged: this agent's own share, shrunk towards all agents'."},
            decided={**WHOLE, "description": "Judged by people, of all agents."},
            own={**WHOLE, "description": "Of them, this agent's."},
        )
    ),
    signals=array(ref("Signal")),
    missing=array(one_of(list(WEIGHTS)), says="Signals that the agent did not state; they are left out."),
    impact=one_of(Impact.values),
    thresholds=or_null(
        answer_object(
            auto={**_SHARE, "description": "At or above it passes."},
            review={**_SHARE, "description": "At or above a person is asked; below it is refused."},
        )
    ),
)

REASON: Schema = answer_object(
    says="Why policy asks, passes or refuses.",
    code=one_of(sorted(CODES), says="Which reason it is, for programs."),
    parameters={**ANY_OBJECT, "description": "What its sentence names: a rule, a tier, an amount, a time."},
    text={**STRING, "description": "What it says, for people."},
)

SHADOW: Schema = answer_object(
    says="Shadow mode: nobody was asked, and this is what would have been.",
    route=one_of((Route.REVIEW.value, Route.REJECT.value)),
    gate=one_of(Gate.values),
    tier=WHOLE,
    approvers=WHOLE,
    stages=array(answer_object(tier=WHOLE, domain=STRING, approvers=WHOLE)),
    reason_code=STRING,
    reasons=array(ref("Reason")),
)
