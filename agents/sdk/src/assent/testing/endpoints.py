"""The fake's other endpoints: runs, words, standing approvals, files, history, events, keys."""

import hashlib
import json
import uuid
from collections.abc import Mapping

from assent.shapes import Json, Object
from assent.testing.calls import Call, Reply
from assent.testing.records import AskedItem, Document
from assent.testing.running import ExecutionEndpoints
from assent.testing.shapes import Refusal, checked, not_found
from assent.testing.state import POLICY_VERSION, Run, objects, rfc3339


class Endpoints(ExecutionEndpoints):
    """Everything that the fake answers; each method is one kind of call."""

    def whoami(self, call: Call) -> Reply:
        key: Document = {"prefix": "asn_test", "name": "test", "scopes": ["submit", "read", "execute"]}
        document: Document = {"agent": self.state.agent, "key": {**key, "expires_at": None}}
        return Reply(200, {**document, "policy_version": POLICY_VERSION, "now": rfc3339(self.state.now())})

    def keys(self, call: Call) -> Reply:
        return Reply(200, {"keys": [signer.published for signer in self.state.published]})

    def openapi(self, call: Call) -> Reply:
        """Only as much of the document as says what answers."""
        return Reply(200, {"openapi": "3.1.0", "info": {"title": "A fake Assent", "version": "1"}, "paths": {}})

    # --- Runs

    def step(self, call: Call, key: str) -> Reply:
        body = checked("StepReport", call.body())
        run, name, status = self.state.run(key), str(body["id"]), str(body.get("status", "done"))
        run.name = run.name or str(body.get("run_name", ""))
        before = run.steps.get(name)
        if before is None:
            if run.stopped and status == "started":
                raise Refusal(409, "run_stopped", "A reviewer ended this run; nothing more of it may begin.")
            run.steps[name] = {**self._step_fields(body, {}), "id": name, "position": len(run.steps) + 1}
            return Reply(201, run.steps[name])
        step_document = self._step_fields(body, before)
        begun = before["status"] == "started"
        # Until it has ended, what undoes it may be said anew; an action only where there was none.
        fixed = [part for part in ("action", "undo") if not begun or (part == "action" and before[part])]
        if any(before[part] != step_document[part] for part in fixed):
            raise Refusal(409, "step_differs", "This step was told of before, with other content.")
        if begun:
            before.update(step_document)
        return Reply(200, before)

    def _step_fields(self, body: Object, before: Object) -> Document:
        """What a report says of a step; what it leaves out stays as it was."""
        ran = body.get("request") and body.get("item")
        action = self._approved(body) if ran else body.get("action", before.get("action"))
        undo = body.get("undo", before.get("undo"))
        if isinstance(undo, Mapping) and "args" not in undo:
            undo = {**undo, "args": action.get("args", {}) if isinstance(action, Mapping) else {}}
        now, status = rfc3339(self.state.now()), str(body.get("status", "done"))
        return {
            "status": status,
            "action": action,
            "undo": undo,
            "request": body.get("request", before.get("request")),
            "item": body.get("item", before.get("item")),
            "started_at": before.get("started_at", now),
            "done_at": now if status == "done" else None,
            "undone_at": None,
            "attempts": 0,
            "last_error": "",
        }

    def _approved(self, body: Object) -> Json:
        _, asked_item = self._item(str(body["request"]), str(body["item"]))
        return asked_item.decided.get("action")

    def undo(self, call: Call, key: str, name: str) -> Reply:
        body = checked("UndoReport", call.body())
        step = self._run(key).steps.get(name)
        if step is None:
            raise not_found()
        if not step["undo"]:
            raise Refusal(409, "nothing_undoes_it", "Nothing undoes this step.")
        if body["result"] == "succeeded":
            step.update(status="undone", undone_at=rfc3339(self.state.now()))
        else:
            step["attempts"] = int(str(step["attempts"])) + 1
            step["last_error"] = str(body.get("detail", ""))
        return Reply(200, step)

    def run(self, call: Call, key: str) -> Reply:
        return Reply(200, self._state(self._run(key)))

    def end(self, call: Call, key: str) -> Reply:
        checked("RunEnd", call.body(optional=True))
        run = self._run(key)
        run.ended = True
        return Reply(200, self._state(run))

    def _state(self, run: Run) -> Document:
        document: Document = {"id": run.key, "name": run.name, "stopped": run.stopped, "ended": run.ended}
        steps: list[Json] = list(run.steps.values())
        compensate: list[Json] = list(run.compensations())
        document |= {"steps": steps, "compensate": compensate, "to_undo": list(run.undos_asked())}
        return {**document, "guidance_unread": run.unread}

    def guidance(self, call: Call, key: str) -> Reply:
        run, after = self._run(key), call.query.get("after")
        ids = [one["id"] for one in run.guidance]
        run.unread = 0
        unread: list[Json] = list(run.guidance[ids.index(after) + 1 if after in ids else 0 :])
        return Reply(200, {"guidance": unread})

    def _run(self, key: str) -> Run:
        if key not in self.state.runs:
            raise not_found()
        return self.state.runs[key]

    # --- Words

    def answer(self, call: Call, pk: str) -> Reply:
        body = checked("QuestionAnswer", call.body())
        for request in self.state.requests.values():
            for question in request.questions:
                if question["id"] == pk:
                    question["answer"] = body["answer"]
                    self.answer_what_waits(request)
                    document: Document = {
                        "id": pk,
                        "request": request.id,
                        "item": question["item"],
                        "text": question["text"],
                    }
                    return Reply(200, {**document, "answer": body["answer"], "answered_at": rfc3339(self.state.now())})
        raise not_found()

    def attach(self, call: Call) -> Reply:
        pk, name = str(uuid.uuid4()), call.query.get("name", "file")
        digest = "sha256:" + hashlib.sha256(call.raw).hexdigest()
        kind = call.headers.get("content-type", "application/octet-stream")
        document: Document = {"id": pk, "name": name, "media_type": kind, "size": len(call.raw), "digest": digest}
        self.state.attachments[pk] = document
        return Reply(201, document)

    def feedback(self, call: Call) -> Reply:
        action, most = call.query.get("action"), int(call.query.get("limit", "200"))
        settled = [one for _, one in self.state.items() if one.status == "decided" and action in (None, one.action)]
        rows = [self._row(one) for one in reversed(settled)][:most]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        return Reply(200, rows, {"content-type": "application/x-ndjson"}, lines.encode())

    def _row(self, asked_item: AskedItem) -> Document:
        action = asked_item.decided.get("action")
        decided = action["args"] if isinstance(action, dict) else None
        edits: list[Json] = []
        if isinstance(decided, dict) and isinstance(asked_item.args, dict):
            for name in sorted({*decided, *asked_item.args}):
                if decided.get(name) != asked_item.args.get(name):
                    edit: Document = {"path": f"/{name}"}
                    edit |= {"from": asked_item.args[name]} if name in asked_item.args else {}
                    edits.append(edit | ({"to": decided[name]} if name in decided else {}))
        outcome = next((made.result for made in self.reported if made.request == asked_item.request), None)
        document: Document = {
            "request": asked_item.request,
            "item": asked_item.item,
            "action": asked_item.action,
            "proposed": asked_item.args,
        }
        return {
            **document,
            "decided": decided,
            "verdict": asked_item.decided["verdict"],
            "source": asked_item.decided["source"],
            "question": asked_item.args.get("prompt")
            if asked_item.subject == "question" and isinstance(asked_item.args, Mapping)
            else None,
            "reason": "",
            "message": asked_item.decided["message"],
            "alternative": asked_item.decided["alternative"],
            "answer": asked_item.decided["answer"],
            "guidance": asked_item.decided["guidance"],
            "edits": edits,
            "outcome": outcome,
            "decided_at": asked_item.decided["decided_at"],
            "policy_version": POLICY_VERSION,
        }

    # --- Standing approvals

    def grants(self, call: Call) -> Reply:
        return Reply(200, {"grants": list(self.state.grants.values())})

    def uses(self, call: Call, pk: str) -> Reply:
        body = checked("GrantUses", call.body())
        if pk not in self.state.grants:
            raise not_found()
        results = [self._used(pk, use) for use in objects(body, "uses")]
        return Reply(200, {"uses": results})

    def _used(self, pk: str, use: Object) -> Json:
        key = str(use["key"])
        earlier = self.state.uses.get(key)
        if earlier is None:
            self.state.uses[key] = {**use, "grant": pk, "request": str(uuid.uuid4())}
        request = self.state.uses[key]["request"]
        document: Document = {"key": key, "request": request, "status": "recorded", "reasons": []}
        return {**document, "replayed": earlier is not None}

    # --- The feed

    def events(self, call: Call) -> Reply:
        after = int(call.headers.get("last-event-id") or call.query.get("after") or "0")
        events = [event for event in self.state.events if int(str(event["number"])) > after]
        lines = [f"id: {one['number']}\nevent: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in events]
        return Reply(200, None, {"content-type": "text/event-stream"}, "".join([": here\n\n", *lines]).encode())
