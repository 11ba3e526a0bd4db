"""Asking, waiting, reporting: the rules that both clients share, without a socket and without a clock of their own."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from assent import options, redaction
from assent.core import Core, fingerprint, occurrence_key
from assent.digest import plain
from assent.documents import decision_of, questions_of, request_of
from assent.errors import (
    Cancelled,
    Denied,
    Expired,
    Recalled,
    RefusedByPolicy,
    Rejected,
    StillPending,
)
from assent.shapes import Args, Decision, Identity, Json, Object, OnQuestion, Request, SubmissionOptions, Verdict
from assent.wire import Flow, invoke

ITEM_ID = "1"
HOLD = 25.0  # seconds that one long poll is held; proxies cut longer ones
OUTAGE = 600.0  # seconds without Assent after which waiting ends
_OF_ITEM = (
    "summary", "reasoning", "context", "signals", "subject", "current", "allowed", "rename_to", "remember",
    "alternatives", "value", "attachments", "undo",
)  # fmt: skip
_OF_REQUEST = ("timeout_s", "on_timeout", "resume", "callback_url", "labels")
_OF_AGENT = ("model", "prompt_version", "tool_version")
_LISTS = {"allowed", "rename_to", "remember", "alternatives", "attachments"}


# --- What is sent


def body(item: Object, *, run: str | None, asking: SubmissionOptions) -> Args:
    """A request with one item, as the API takes it."""
    request_body: Args = {"items": [{"id": asking.get("id", ITEM_ID), **item}]}
    for name in _OF_ITEM:
        value = asking.get(name)
        if value is not None:
            request_body["items"][0][name] = list(value) if name in _LISTS and isinstance(value, Sequence) else value
    for name in _OF_REQUEST:
        if asking.get(name) is not None:
            request_body[name] = asking.get(name)
    versions = {name: asking.get(name) for name in _OF_AGENT if asking.get(name)}
    if versions:
        request_body["agent"] = versions
    if run is not None:
        request_body["run"] = {"id": run, "name": asking.get("run_name", ""), "step": asking.get("step", "")}
    return request_body


def redaction_for(
    core: Core, action: str, args: Mapping[str, Json], run: str | None, asking: SubmissionOptions
) -> redaction.Redaction:
    """The redaction that goes with a proposal. Raises BrokenJournal where fields are to be redacted."""
    paths = asking.get("redact", ())
    if not paths:
        return redaction.Redaction()
    return redaction.Redaction.of(paths, core.journal.secret(), run or "", asking.get("step", ""), action)


def proposal(
    action: str, args: Mapping[str, Json], hiding: redaction.Redaction, asking: SubmissionOptions
) -> tuple[Args, SubmissionOptions]:
    """The item of an action, and what goes with it, without the values of redacted fields."""
    plain(dict(args), "args")
    redacted_asking = asking.copy()
    redacted_asking["alternatives"] = [
        {**alternative, "args": hiding.hide(_object(alternative.get("args")), all_there=False)}
        if "args" in alternative
        else alternative
        for alternative in asking.get("alternatives", ())
    ]
    if isinstance(asking.get("current"), Mapping):
        redacted_asking["current"] = hiding.hide(_object(asking.get("current")), all_there=False)
    if not redacted_asking["alternatives"]:
        del redacted_asking["alternatives"]
    return {"action": {"name": action, "args": hiding.hide(args)}}, redacted_asking


def submit(
    core: Core,
    action: str,
    args: Mapping[str, Json],
    *,
    run: str | None,
    preconditions: Object | None,
    asking: SubmissionOptions,
) -> Flow[Request]:
    options.asking(asking, "submit")
    item, asking = proposal(action, args, redaction_for(core, action, args, run, asking), asking)
    if preconditions is not None:
        item["preconditions"] = preconditions
    return (yield from _submit_item(core, action, item["action"]["args"], item, run, asking))


def ask(
    core: Core, prompt: str, schema: Object | None, best_guess: Json, *, run: str | None, asking: SubmissionOptions
) -> Flow[Request]:
    options.asking(asking, "ask")
    question: Args = {"prompt": prompt}
    if schema is not None:
        question["response_schema"] = schema
    if best_guess is not None:
        question["best_guess"] = best_guess
    return (yield from _submit_item(core, "question", question, {"question": question}, run, asking))


def plan(core: Core, steps: Sequence[Object], *, run: str | None, asking: SubmissionOptions) -> Flow[Request]:
    options.asking(asking, "plan")
    listed = [dict(one) for one in steps]
    return (yield from _submit_item(core, "plan", listed, {"plan": {"steps": listed}}, run, asking))


def _submit_item(
    core: Core, what: str, content: Json, item: Object, run: str | None, asking: SubmissionOptions
) -> Flow[Request]:
    """Submit one item. In a run its key is made of what it is; elsewhere each call is a request of its own."""
    key, life, scope = asking.get("key"), core.life, core.scope() if run is None else None
    if scope is not None:
        run, life = scope.key, scope.life
        asking = {"run_name": scope.name, **asking}
    if key is not None or run is None:
        return (yield from send(core, body(item, run=run, asking=asking), key=key))
    mark = fingerprint(run, asking.get("step", ""), f"submit {what}", content)
    number, finished = life.begin(mark), False
    try:
        request = yield from send(core, body(item, run=run, asking=asking), key=occurrence_key(mark, what, number))
        finished = True
    finally:  # what was interrupted is what the next try means: the same key finds the same request
        life.end(mark, number, finished=finished)
    return request


def send(core: Core, request: Object, *, key: str | None) -> Flow[Request]:
    """Submit a whole request. Without any key it gets one, so that a lost answer can be asked for again."""
    once = key or request.get("idempotency_key") or secrets.token_hex(16)
    answer = yield from core.post("requests", {**request, "idempotency_key": once})
    return request_of(answer.json(), replayed=answer.headers.get("idempotent-replayed") == "true")


def evaluate(core: Core, action: str, args: Mapping[str, Json], *, asking: SubmissionOptions) -> Flow[Object]:
    options.asking(asking, "evaluate")
    item, asking = proposal(action, args, redaction_for(core, action, args, None, asking), asking)
    return (yield from core.post("evaluate", body(item, run=None, asking=asking))).json()


def read(core: Core, request: Request | str) -> Flow[Request]:
    return request_of((yield from core.get(f"requests/{quote(id_of(request))}")).json())


def whoami(core: Core) -> Flow[Identity]:
    document = (yield from core.get("whoami")).json()
    scopes, version = _object(document.get("key")).get("scopes"), document.get("policy_version")
    return Identity(
        agent=str(document.get("agent", "")),
        scopes=tuple(str(one) for one in scopes) if isinstance(scopes, list) else (),
        policy_version=version if isinstance(version, int) else None,
        document=document,
    )


# --- Waiting


def wait(
    core: Core, request: Request | str, *, timeout: float | None, on_question: OnQuestion | None = None
) -> Flow[Decision]:
    """The closed decision; of a single item only one that may run or that answers."""
    decision = yield from wait_all(core, request, timeout=timeout, on_question=on_question)
    if len(decision.items) == 1:
        no = denial_of(decision.item, decision.request)
        if no is not None:
            raise no
    return decision


def wait_all(
    core: Core, request: Request | str, *, timeout: float | None, on_question: OnQuestion | None = None
) -> Flow[Decision]:
    """The closed decision, whatever it says."""
    decision = request.decision if isinstance(request, Request) else None
    if decision is None:
        decision = yield from _wait_until_closed(core, id_of(request), timeout, on_question)
    return decision


def _wait_until_closed(
    core: Core, request: str, timeout: float | None, on_question: OnQuestion | None
) -> Flow[Decision]:
    ends = None if timeout is None else time.monotonic() + timeout
    handled_ids: set[str] = set()
    while True:
        left = HOLD if ends is None else max(0.0, min(HOLD, ends - time.monotonic()))
        outage = OUTAGE if ends is None else max(0.0, min(OUTAGE, ends - time.monotonic()))
        answer = yield from core.get(
            f"requests/{quote(request)}/decision",
            {"wait": f"{left:.2f}"},
            timeout=left + core.settings.timeout,
            patience=outage,
        )
        document = answer.json()
        if answer.status == 200:
            return decision_of(document)
        for question in questions_of(document) if on_question else ():
            if question.id not in handled_ids:
                handled_ids.add(question.id)
                reply = yield from invoke(lambda question=question: on_question(question))  # type: ignore[misc]
                if isinstance(reply, str):
                    yield from core.post(f"questions/{quote(question.id)}/answer", {"answer": reply})
        if ends is not None and time.monotonic() >= ends:
            raise StillPending(f"Nobody decided {request} within {timeout:g} s; it stays open.", request=request)


def denial_of(item: Verdict, request: str) -> Denied | None:
    """The error that a settled item means to whoever wants to run it; None where it may run or answers."""
    if item.status == "expired":
        return Expired("Nobody decided before the deadline.", request=request, item=item)
    if item.status == "recalled":
        return Recalled(item.message or "A reviewer recalled it.", request=request, item=item)
    if item.status != "decided":
        return Cancelled(item.message or "The request was withdrawn.", request=request, item=item)
    if item.verdict == "reject":
        if item.source == "policy":
            texts = "; ".join(reason.text for reason in item.reasons)
            text = f"Policy refused it: {texts}." if texts else item.message or "Policy refused it."
            return RefusedByPolicy(text, request=request, item=item)
        by = f" by {item.decided_by}" if item.decided_by else ""
        why = f": {item.message}" if item.message else ", without a reason."
        return Rejected(f"Rejected{by}{why}", request=request, item=item)
    return None


# --- Reporting


def outcome(
    core: Core,
    request: Request | Decision | str,
    result: str,
    *,
    item: str | None = None,
    detail: str = "",
    data: Object | None = None,
) -> Flow[None]:
    path = f"requests/{quote(id_of(request))}/items/{quote(item_of(request, item), safe='')}/outcome"
    report: Args = {"result": result, "detail": detail[:4000]}
    if data is not None:
        report["data"] = data
    yield from core.post(path, report)


def id_of(request: Request | Decision | str) -> str:
    """A request's id."""
    if isinstance(request, str):
        return request
    return request.id if isinstance(request, Request) else request.request


def item_of(request: Request | Decision | str, item: str | None) -> str:
    """The id of the item that is meant: the named one, else the only one. Raises ValueError."""
    if item is not None:
        return item
    if isinstance(request, str):
        return ITEM_ID
    if len(request.items) != 1:
        raise ValueError("This request has several items: name one.")
    return request.items[0].id


def _object(value: Json) -> Object:
    return value if isinstance(value, Mapping) else {}
