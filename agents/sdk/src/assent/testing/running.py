"""The fake's endpoints for running: consume a permit, report what became of it."""

import uuid
from collections.abc import Callable, Mapping

from assent.shapes import Object
from assent.testing.asking import RequestEndpoints
from assent.testing.calls import Call, Reply, decision_url, review_url
from assent.testing.records import Answer, AskedItem, Consumed, Document, Reported
from assent.testing.shapes import Refusal, checked
from assent.testing.state import REVIEWER, FakeRequest, State, rfc3339

_TAMPERED = ("signature", "algorithm", "unknown_key", "kind", "malformed")


class ExecutionEndpoints(RequestEndpoints):
    """What an agent does with an approval."""

    def __init__(
        self, state: State, look_up: Callable[[AskedItem], Answer | None], moved: Callable[[str], bool]
    ) -> None:
        super().__init__(state, look_up, moved)
        self.consumed: list[Consumed] = []
        self.incidents: list[Object] = []

    def consume(self, call: Call, jti: str) -> Reply:
        body = checked("PermitUse", call.body())
        observed = body.get("preconditions")
        issued = next((pair for pair in self.state.items() if pair[1].jti == jti), None)
        if issued is None:
            raise Refusal(404, "permit_foreign", "This agent has no such permit.")
        request, asked_item = issued
        if body["permit"] != asked_item.permit or asked_item.forged in _TAMPERED:
            raise Refusal(403, "permit_tampered", "The signature does not fit: the token was changed.")
        if body["action_digest"] != asked_item.digest or asked_item.forged:
            raise Refusal(409, "permit_mismatch", "What is about to run is not what the permit proves.")
        if asked_item.status == "recalled":
            raise Refusal(409, "recalled", f"{REVIEWER} recalled this; nothing may run by its permit.")
        if self.state.stopped:
            raise Refusal(409, "stopped", "Everything is stopped; nothing may run until that is lifted.")
        attempt = str(body["attempt"])
        if before := self.state.used.get(jti):
            if before["attempt"] != attempt:
                raise Refusal(409, "permit_consumed", "This permit was used already.")
            return Reply(200, {**before, "replayed": True})
        if self.state.now().timestamp() >= asked_item.permit_ends + 30:
            raise Refusal(409, "permit_expired", "The permit is over; ask again.")
        self._hold_against(request, asked_item, observed if isinstance(observed, Mapping) else {})
        at = rfc3339(self.state.now())
        permit_use: Document = {
            "jti": jti,
            "request": request.id,
            "item": asked_item.item,
            "consumed_at": at,
            "action": asked_item.action,
            "action_digest": asked_item.digest,
            "attempt": attempt,
            "replayed": False,
        }
        self.state.used[jti] = permit_use
        seen = observed if isinstance(observed, Mapping) else {}
        executor = str(body.get("executor", ""))
        action = asked_item.decided["action"]
        args = action["args"] if isinstance(action, Mapping) else None
        self.state.happened("consumed", asked_item, jti=jti)
        self.consumed.append(
            Consumed(request.id, asked_item.item, asked_item.action, args, jti, attempt, executor, seen, at)
        )
        return Reply(200, permit_use)

    def _hold_against(self, request: FakeRequest, asked_item: AskedItem, observed: Object) -> None:
        """What was approved rested on something: is it still so? Raises Refusal."""
        unseen = sorted(set(asked_item.preconditions) - set(observed))
        if unseen:
            raise Refusal(422, "precondition_unknown", f"The precondition {unseen[0]!r} was not observed.")
        if self.moved(asked_item.action) or any(
            observed[name] != value for name, value in asked_item.preconditions.items()
        ):
            item = {**asked_item.sent, "preconditions": {**asked_item.preconditions, **observed}}
            again = self.open_request(request.body, [item], "")
            self.answer_what_waits(again)
            links = {"decision_url": decision_url(again.id), "review_url": review_url(again.id)}
            sentence = "What was approved rested on something that changed since; the reviewer is asked again."
            raise Refusal(409, "world_moved", sentence, returned={"request": again.id, **links})

    def outcome(self, call: Call, pk: str, item: str) -> Reply:
        body = checked("OutcomeReport", call.body())
        _, asked_item = self._item(pk, item)
        if asked_item.status == "pending":
            raise Refusal(409, "not_decided", "This was not decided yet.")
        result, detail, data = str(body["result"]), str(body.get("detail", "")), body.get("data")
        at = rfc3339(self.state.now())
        made = Reported(pk, item, asked_item.action, result, detail, data if isinstance(data, Mapping) else {}, at)
        before = next((told for told in self.reported if (told.request, told.item) == (pk, item)), None)
        if before and (before.result, before.detail) != (made.result, made.detail):
            raise Refusal(409, "contradiction", f"It was reported before: {before.result}.")
        if before is None:
            self.reported.append(made)
            self.state.happened("outcome", asked_item, result=result)
            if asked_item.status == "recalled" and result != "skipped":
                severity = "high" if result == "failed" else "critical"
                self.incidents.append({"request": pk, "item": item, "severity": severity, "text": "It was recalled."})
                self.state.happened("incident", asked_item, incident=str(uuid.uuid4()), severity=severity)
        report = before or made
        answer: Document = {"item": item, "result": report.result, "detail": report.detail, "data": report.data}
        return Reply(200, {**answer, "reported_at": report.at})

    def incident(self, call: Call) -> Reply:
        body = checked("IncidentReport", call.body())
        _, asked_item = self._item(str(body["request"]), str(body["item"]))
        if asked_item.jti not in self.state.used:
            raise Refusal(409, "not_decided", "Nothing ran here that could have caused harm.")
        self.incidents.append(body)
        report = {"cost": None, **body}
        document: Document = {"id": str(uuid.uuid4()), **report, "opened_at": rfc3339(self.state.now())}
        self.state.happened("incident", asked_item, incident=document["id"], severity=body["severity"])
        return Reply(201, document)
