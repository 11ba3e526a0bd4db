"""The fake's endpoints for asking: submit, read, wait, amend, withdraw, lease."""

import json
import uuid
from collections.abc import Mapping
from datetime import timedelta

from assent.shapes import Json, Object
from assent.testing import shapes
from assent.testing.calls import Call, Desk, Reply, unanswered
from assent.testing.shapes import Refusal, checked, refused
from assent.testing.state import AT_ONCE, POLICY_VERSION, Pause, rfc3339
from assent.testing.told import Answer, Asked, Document


class Asking(Desk):
    """What an agent does before anything runs."""

    def submit(self, call: Call) -> Reply:
        body = call.body()
        items = shapes.items_of(body)
        sent = body if isinstance(body, Mapping) else {}
        key = _key_of(call, sent)
        content = {name: value for name, value in sent.items() if name != "idempotency_key"}
        known = self.state.keys.get(key) if key else None
        if known is not None:
            if known.body != content:
                raise Refusal(422, "idempotency_key_reused", "This idempotency key was used for another request.")
            return Reply(200, self._state_of(known), {"idempotent-replayed": "true"})
        self._taken_by_policy(items, sent)
        pause = self.opened(content, items, key)
        # As on the server: policy answers at once, a person a moment later.
        self.answer_what_waits(pause, only_policy=True)
        told = self._state_of(pause)
        self.answer_what_waits(pause)
        return Reply(201, told)

    def _taken_by_policy(self, items: list[Object], body: Object) -> None:
        if faults := shapes.type_faults(items, body, self.state.kinds):
            raise refused(faults)

    def opened(self, body: Object, items: list[Object], key: str) -> Pause:
        """A new request of these items."""
        pause = Pause(str(uuid.uuid4()), body, [], self.state.now())
        run = pause.run or {}
        for item in items:
            subject = next(name for name in ("action", "question", "plan") if name in item)
            named = item[subject] if subject == "action" else {"name": subject, "args": item[subject]}
            action = named if isinstance(named, Mapping) else {}
            one = Asked(pause.id, str(item["id"]), subject, str(action["name"]), action.get("args", {}), item)
            one.run, one.step, one.key = str(run.get("id", "")), str(run.get("step", "")), key
            one.digest = self.state.digest(one)
            pause.items.append(one)
        if run:
            self.state.run(str(run["id"])).name = str(run["name"])
        self.state.pauses[pause.id] = pause
        for one in pause.items:
            self.state.happened("submitted", one)
        if key:
            self.state.keys[key] = pause
        return pause

    def read(self, call: Call, pk: str) -> Reply:
        return Reply(200, self._state_of(self._pause(pk)))

    def listed(self, call: Call) -> Reply:
        pauses = [self._state_of(pause) for pause in reversed(self.state.pauses.values())]
        wanted = call.query.get("status")
        told = [{name: one[name] for name in one if name not in ("decision", "questions")} for one in pauses]
        return Reply(200, {"requests": [one for one in told if wanted in (None, one["status"])], "next": None})

    def decision(self, call: Call, pk: str) -> Reply:
        pause = self._pause(pk)
        if pause.document:
            document = pause.document if call.query.get("first") == "1" else pause.newest
            return Reply(200, json.loads(document), content=document.encode())
        settled = [one.decided for one in pause.items if one.status != "pending"]
        told: Document = {"request": pause.id, "status": "pending"}
        told["items"] = settled if pause.body.get("decide") == "independently" else []
        if questions := unanswered(pause):
            told["questions"] = questions
        return Reply(202, told)

    def cancel(self, call: Call, pk: str) -> Reply:
        checked("Cancellation", call.body(optional=True))
        pause = self._pause(pk)
        if pause.document:
            raise Refusal(409, "already_closed", "This request is closed already.")
        for one in pause.items:
            if one.status == "pending":
                self.state.settle(pause, one, Answer("cancelled"))
        return Reply(200, self._state_of(pause))

    def amend(self, call: Call, pk: str, item: str) -> Reply:
        body = checked("Amendment", call.body())
        pause, one = self._item(pk, item)
        if one.status != "pending":
            raise Refusal(409, "no_longer_pending", "This was decided already.")
        kind = self.state.kinds.get(one.action)
        if "args" in body and kind is not None and (faults := kind.faults(body["args"])):
            raise refused([(f"/args{pointer}", message) for pointer, message in faults])
        one.sent = {**one.sent, **{name: body[name] for name in body if name != "args"}}
        one.args = body.get("args", one.args)
        one.revision += 1
        one.digest = self.state.digest(one)
        self.state.happened("amended", one, revision=one.revision)
        told = self._state_of(pause)
        self.answer_what_waits(pause)
        return Reply(200, told)

    def lease(self, call: Call, pk: str) -> Reply:
        body = checked("LeaseWish", call.body())
        pause, now = self._pause(pk), self.state.now()
        worker = str(body["worker"])
        if pause.lease and pause.lease[0] != worker and pause.lease[1] > now:
            raise Refusal(409, "leased", "Another worker acts on this decision.", until=rfc3339(pause.lease[1]))
        if body.get("release"):
            pause.lease = None
            return Reply(200, {"worker": worker, "until": None})
        until = now + timedelta(seconds=float(str(body.get("seconds", 60))))
        pause.lease = (worker, until)
        return Reply(200, {"worker": worker, "until": rfc3339(until)})

    def evaluate(self, call: Call) -> Reply:
        """What would be done with a request; nothing is kept."""
        items: list[Json] = []
        body = call.body()
        sent = shapes.items_of(body)
        self._taken_by_policy(sent, body)
        for place, item in enumerate(sent):
            action = item.get("action")
            name = str(action["name"]) if isinstance(action, Mapping) else next(iter({"question", "plan"} & set(item)))
            answer = self.look_up(Asked("", str(place), "action", name, {}, item))
            by_policy = answer is not None and answer.source != "human"
            route = ("reject" if answer and answer.says == "reject" else "auto") if by_policy else "review"
            told: Document = {"id": item["id"], "route": route, "gate": "hard", **AT_ONCE}
            reasons = list(answer.reasons) if answer else []
            items.append({**told, "reason_code": "fixed", "reasons": reasons, "confidence": None, "shadow": None})
        return Reply(200, {"policy_version": POLICY_VERSION, "items": items})


def _key_of(call: Call, body: Object) -> str:
    """The idempotency key, of the header or the body. Raises Refusal 422."""
    header, inside = call.headers.get("idempotency-key"), body.get("idempotency_key")
    if header is None:
        return str(inside or "")
    if not 1 <= len(header) <= 255 or not header.isprintable():
        raise refused([("", "The header Idempotency-Key has 1 to 255 printable characters.")])
    if inside is not None and inside != header:
        raise refused([("/idempotency_key", "This differs from the header Idempotency-Key.")])
    return header
