"""The API's documents as the values of `assent.shapes`. What is missing or of another type is left out, not guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assent.shapes import Decision, Item, Json, Object, Question, Reason, Request, Verdict


def request_of(document: Object, *, replayed: bool = False) -> Request:
    """A RequestState."""
    decision = document.get("decision")
    return Request(
        id=_text(document.get("id")),
        status=_text(document.get("status")),
        review_url=_text(document.get("review_url")),
        decision_url=_text(document.get("decision_url")),
        items=tuple(_item(one) for one in objects(document.get("items"))),
        questions=questions_of(document),
        decision=decision_of(decision) if isinstance(decision, Mapping) else None,
        replayed=replayed,
        document=document,
    )


def decision_of(document: Object) -> Decision:
    """A DecisionDocument, closed or partial."""
    resume = document.get("resume")
    return Decision(
        request=_text(document.get("request")),
        status=_text(document.get("status")),
        items=tuple(_verdict(one) for one in objects(document.get("items"))),
        resume=resume if isinstance(resume, Mapping) else {},
        document=document,
    )


def questions_of(document: Object) -> tuple[Question, ...]:
    """The reviewers' questions that nobody answered yet."""
    return tuple(
        Question(
            _text(question.get("id")),
            _text(question.get("item")),
            _text(question.get("text")),
            _text(question.get("from")),
            _text(question.get("asked_at")),
        )
        for question in objects(document.get("questions"))
    )


def _item(document: Object) -> Item:
    revision = document.get("revision")
    return Item(
        id=_text(document.get("id")),
        status=_text(document.get("status")),
        route=_text(document.get("route")),
        revision=revision if isinstance(revision, int) else 0,
        action_digest=_text(document.get("action_digest")),
        reason_code=_text(document.get("reason_code")),
        reasons=_reasons(document),
        outcome=_word(document.get("outcome")),
        document=document,
    )


def _verdict(document: Object) -> Verdict:
    action, plan, decider = document.get("action"), document.get("plan"), document.get("decided_by")
    version = document.get("policy_version")
    return Verdict(
        id=_text(document.get("id")),
        status=_text(document.get("status")),
        verdict=_word(document.get("verdict")),
        source=_word(document.get("source")),
        action=_text(action.get("name")) if isinstance(action, Mapping) else "",
        args=action.get("args") if isinstance(action, Mapping) else None,
        action_digest=_text(document.get("action_digest")),
        permit=_word(document.get("permit")),
        alternative=_word(document.get("alternative")),
        answer=document.get("answer"),
        message=_word(document.get("message")),
        reasons=_reasons(document),
        stop=document.get("stop") is True,
        remember=document.get("remember"),
        compensate=tuple(objects(document.get("compensate"))),
        plan=tuple(objects(plan.get("steps"))) if isinstance(plan, Mapping) else (),
        guidance=_word(document.get("guidance")),
        decided_at=_text(document.get("decided_at")),
        decided_by=_text(decider.get("name")) if isinstance(decider, Mapping) else "",
        policy_version=version if isinstance(version, int) else None,
        document=document,
    )


def _reasons(document: Object) -> tuple[Reason, ...]:
    reasons = objects(document.get("reasons"))
    return tuple(
        Reason(_text(one.get("code")), _text(one.get("text")), _object(one.get("parameters"))) for one in reasons
    )


def _object(value: Json) -> Object:
    return value if isinstance(value, Mapping) else {}


def objects(value: Json) -> list[Object]:
    return [one for one in _list(value) if isinstance(one, Mapping)]


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else []


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _word(value: Json) -> str | None:
    return value if isinstance(value, str) else None
