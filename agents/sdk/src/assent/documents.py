"""The API's documents as the values of `assent.shapes`. What is missing or of another type is left out, not guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assent.shapes import Decision, Item, Json, Object, Question, Request, Verdict


def request_of(told: Object, *, replayed: bool = False) -> Request:
    """A RequestState."""
    decision = told.get("decision")
    return Request(
        id=_text(told.get("id")),
        status=_text(told.get("status")),
        review_url=_text(told.get("review_url")),
        decision_url=_text(told.get("decision_url")),
        items=tuple(_item(one) for one in objects(told.get("items"))),
        questions=questions_of(told),
        decision=decision_of(decision) if isinstance(decision, Mapping) else None,
        replayed=replayed,
        document=told,
    )


def decision_of(told: Object) -> Decision:
    """A DecisionDocument, closed or partial."""
    resume = told.get("resume")
    return Decision(
        request=_text(told.get("request")),
        status=_text(told.get("status")),
        items=tuple(_verdict(one) for one in objects(told.get("items"))),
        resume=resume if isinstance(resume, Mapping) else {},
        document=told,
    )


def questions_of(told: Object) -> tuple[Question, ...]:
    """The reviewers' questions that nobody answered yet."""
    return tuple(
        Question(
            _text(one.get("id")),
            _text(one.get("item")),
            _text(one.get("text")),
            _text(one.get("from")),
            _text(one.get("asked_at")),
        )
        for one in objects(told.get("questions"))
    )


def _item(told: Object) -> Item:
    revision = told.get("revision")
    return Item(
        id=_text(told.get("id")),
        status=_text(told.get("status")),
        route=_text(told.get("route")),
        revision=revision if isinstance(revision, int) else 0,
        action_digest=_text(told.get("action_digest")),
        reason_code=_text(told.get("reason_code")),
        reasons=tuple(_text(one) for one in _list(told.get("reasons"))),
        outcome=_word(told.get("outcome")),
        document=told,
    )


def _verdict(told: Object) -> Verdict:
    action, plan, decider = told.get("action"), told.get("plan"), told.get("decided_by")
    version = told.get("policy_version")
    return Verdict(
        id=_text(told.get("id")),
        status=_text(told.get("status")),
        verdict=_word(told.get("verdict")),
        source=_word(told.get("source")),
        action=_text(action.get("name")) if isinstance(action, Mapping) else "",
        args=action.get("args") if isinstance(action, Mapping) else None,
        action_digest=_text(told.get("action_digest")),
        permit=_word(told.get("permit")),
        alternative=_word(told.get("alternative")),
        answer=told.get("answer"),
        message=_word(told.get("message")),
        stop=told.get("stop") is True,
        remember=told.get("remember"),
        compensate=tuple(objects(told.get("compensate"))),
        plan=tuple(objects(plan.get("steps"))) if isinstance(plan, Mapping) else (),
        guidance=_word(told.get("guidance")),
        decided_at=_text(told.get("decided_at")),
        decided_by=_text(decider.get("name")) if isinstance(decider, Mapping) else "",
        policy_version=version if isinstance(version, int) else None,
        document=told,
    )


def objects(value: Json) -> list[Object]:
    return [one for one in _list(value) if isinstance(one, Mapping)]


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else []


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _word(value: Json) -> str | None:
    return value if isinstance(value, str) else None
