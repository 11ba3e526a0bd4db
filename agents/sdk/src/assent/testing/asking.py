"""The fake's endpoints for asking: submit, read, wait, amend, withdraw, lease."""

import json
import uuid
from collections.abc import Mapping
from datetime import timedelta

from assent.shapes import Json, Object
from assent.testing import shapes
from assent.testing.calls import Call, EndpointBase, Reply, unanswered
from assent.testing.records import Answer, AskedItem, Document
from assent.testing.shapes import Refusal, checked, refused
from assent.testing.state import AT_ONCE, POLICY_VERSION, FakeRequest, rfc3339


class RequestEndpoints(EndpointBase):
    """What an agent does before anything runs."""

    def submit(self, call: Call) -> Reply:
        body = call.body()
        items = shapes.items_of(body)
        sent = body if isinstance(body, Mapping) else {}
        key = _key_of(call, sent)
        content = {name: value for name, value in sent.items() if name != "idempotency_key"}
        existing = self.state.keys.get(key) if key else None
        if existing is not None:
            if existing.body != content:
                raise Refusal(422, "idempotency_key_reused", "This idempotency key was used for another request.")
            return Reply(200, self._state_of(existing), {"idempotent-replayed": "true"})
        self._check_action_types(items, sent)
        request = self.open_request(content, items, key)
        # As on the server: policy answers at once, a person a moment later.
        self.answer_what_waits(request, only_policy=True)
        document = self._state_of(request)
        self.answer_what_waits(request)
        return Reply(201, document)

    def _check_action_types(self, items: list[Object], body: Object) -> None:
        if faults := shapes.type_faults(items, body, self.state.kinds):
            raise refused(faults)

    def open_request(self, body: Object, items: list[Object], key: str) -> FakeRequest:
        """A new request of these items."""
        request = FakeRequest(str(uuid.uuid4()), body, [], self.state.now())
        run = request.run or {}
        for item in items:
            subject = next(name for name in ("action", "question", "plan") if name in item)
            named = item[subject] if subject == "action" else {"name": subject, "args": item[subject]}
            action = named if isinstance(named, Mapping) else {}
            asked_item = AskedItem(
                request.id, str(item["id"]), subject, str(action["name"]), action.get("args", {}), item
            )
            asked_item.run, asked_item.step, asked_item.key = str(run.get("id", "")), str(run.get("step", "")), key
            asked_item.digest = self.state.digest(asked_item)
            request.items.append(asked_item)
        if run:
            self.state.run(str(run["id"])).name = str(run["name"])
        self.state.requests[request.id] = request
        for asked_item in request.items:
            self.state.happened("submitted", asked_item)
        if key:
            self.state.keys[key] = request
        return request

    def read(self, call: Call, pk: str) -> Reply:
        return Reply(200, self._state_of(self._request(pk)))

    def listed(self, call: Call) -> Reply:
        requests = [self._state_of(request) for request in reversed(self.state.requests.values())]
        status = call.query.get("status")
        documents = [{name: one[name] for name in one if name not in ("decision", "questions")} for one in requests]
        return Reply(200, {"requests": [one for one in documents if status in (None, one["status"])], "next": None})

    def decision(self, call: Call, pk: str) -> Reply:
        request = self._request(pk)
        if request.document:
            document = request.document if call.query.get("first") == "1" else request.newest
            return Reply(200, json.loads(document), content=document.encode())
        settled = [one.decided for one in request.items if one.status != "pending"]
        partial: Document = {"request": request.id, "status": "pending"}
        partial["items"] = settled if request.body.get("decide") == "independently" else []
        if questions := unanswered(request):
            partial["questions"] = questions
        return Reply(202, partial)

    def cancel(self, call: Call, pk: str) -> Reply:
        checked("Cancellation", call.body(optional=True))
        request = self._request(pk)
        if request.document:
            raise Refusal(409, "already_closed", "This request is closed already.")
        for asked_item in request.items:
            if asked_item.status == "pending":
                self.state.settle(request, asked_item, Answer("cancelled"))
        return Reply(200, self._state_of(request))

    def amend(self, call: Call, pk: str, item: str) -> Reply:
        body = checked("Amendment", call.body())
        request, asked_item = self._item(pk, item)
        if asked_item.status != "pending":
            raise Refusal(409, "no_longer_pending", "This was decided already.")
        kind = self.state.kinds.get(asked_item.action)
        if "args" in body and kind is not None and (faults := kind.faults(body["args"])):
            raise refused([(f"/args{pointer}", message) for pointer, message in faults])
        asked_item.sent = {**asked_item.sent, **{name: body[name] for name in body if name != "args"}}
        asked_item.args = body.get("args", asked_item.args)
        asked_item.revision += 1
        asked_item.digest = self.state.digest(asked_item)
        self.state.happened("amended", asked_item, revision=asked_item.revision)
        document = self._state_of(request)
        self.answer_what_waits(request)
        return Reply(200, document)

    def lease(self, call: Call, pk: str) -> Reply:
        body = checked("LeaseWish", call.body())
        request, now = self._request(pk), self.state.now()
        worker = str(body["worker"])
        if request.lease and request.lease[0] != worker and request.lease[1] > now:
            raise Refusal(409, "leased", "Another worker acts on this decision.", until=rfc3339(request.lease[1]))
        if body.get("release"):
            request.lease = None
            return Reply(200, {"worker": worker, "until": None})
        until = now + timedelta(seconds=float(str(body.get("seconds", 60))))
        request.lease = (worker, until)
        return Reply(200, {"worker": worker, "until": rfc3339(until)})

    def evaluate(self, call: Call) -> Reply:
        """What would be done with a request; nothing is kept."""
        items: list[Json] = []
        body = call.body()
        sent = shapes.items_of(body)
        self._check_action_types(sent, body)
        for position, item in enumerate(sent):
            action = item.get("action")
            name = str(action["name"]) if isinstance(action, Mapping) else next(iter({"question", "plan"} & set(item)))
            answer = self.look_up(AskedItem("", str(position), "action", name, {}, item))
            by_policy = answer is not None and answer.source != "human"
            route = ("reject" if answer and answer.says == "reject" else "auto") if by_policy else "review"
            evaluation: Document = {"id": item["id"], "route": route, "gate": "hard", **AT_ONCE}
            reasons = answer.reason_documents if answer else []
            items.append({**evaluation, "reason_code": "fixed", "reasons": reasons, "confidence": None, "shadow": None})
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
