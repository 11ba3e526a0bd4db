"""What the fake gateway knows: requests, permits, runs, grants. No HTTP, no instructions."""

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from assent.digest import action_digest
from assent.shapes import Json, Object
from assent.testing import permits
from assent.testing.records import ANSWER, APPROVE, CANCELLED, EXPIRED, MODIFY, REJECT, Answer, AskedItem, Document
from assent.testing.shapes import Kind

ISSUER = "https://assent.test"
POLICY_VERSION = 7
REVIEWER = "Test Reviewer"
# Whoever is asked here is asked alone.
AT_ONCE: Object = {"tier": 1, "domain": "general", "approvers": 1, "stages": [], "typed": False}
ENDED = {EXPIRED: "Nobody decided before the deadline.", CANCELLED: "The agent withdrew this request."}


def rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass(slots=True)
class FakeRequest:
    """One request of an agent with its items."""

    id: str
    body: Object
    items: list[AskedItem]
    created: datetime
    status: str = "pending"
    closed: datetime | None = None
    document: str = ""  # the closed decision, the same bytes at every reading
    recalled: str = ""  # the newest one, where an item was recalled since
    questions: list[Document] = field(default_factory=list)
    lease: tuple[str, datetime] | None = None

    @property
    def newest(self) -> str:
        """The decision that holds now."""
        return self.recalled or self.document

    @property
    def run(self) -> Document | None:
        sent = self.body.get("run")
        if not isinstance(sent, Mapping):
            return None
        return {"id": str(sent["id"]), "name": str(sent.get("name", "")), "step": str(sent.get("step", ""))}


@dataclass(slots=True)
class Run:
    """A workflow with what ran in it."""

    key: str
    name: str = ""
    stopped: bool = False
    ended: bool = False
    steps: dict[str, Document] = field(default_factory=dict)
    guidance: list[Document] = field(default_factory=list)
    unread: int = 0

    def end(self, *, asked_to_undo: bool, stopped: bool) -> None:
        """What a rejection does to its run: a person's asks for everything to be undone."""
        self.stopped |= stopped
        for step in self.steps.values():
            if asked_to_undo and step["status"] == "done" and step["undo"]:
                step["status"] = "undoing"

    def compensations(self) -> list[Document]:
        """What undoes what was done and not undone, newest first."""
        return self._undos("done", "undoing", "stuck")

    def undos_asked(self) -> list[Document]:
        """Of these what people asked to be undone."""
        return self._undos("undoing", "stuck")

    def _undos(self, *states: str) -> list[Document]:
        done = [one for one in self.steps.values() if one["status"] in states and one["undo"]]
        return [{"step": one["id"], "action": one["action"], "undo": one["undo"]} for one in reversed(done)]


class State:
    """Everything that one fake gateway holds."""

    def __init__(self, agent: str) -> None:
        self.agent = agent
        self.signer = permits.Signer()
        self.published = [self.signer]
        self.requests: dict[str, FakeRequest] = {}
        self.keys: dict[str, FakeRequest] = {}
        self.kinds: dict[str, Kind] = {}  # action types; without any, whatever is asked is one
        self.runs: dict[str, Run] = {}
        self.grants: dict[str, Document] = {}
        self.used: dict[str, Document] = {}  # by jti
        self.uses: dict[str, Document] = {}  # of grants, by the agent's key of the use
        self.attachments: dict[str, Document] = {}
        self.events: list[Document] = []
        self.forgeries: list[str] = []
        self.shift = timedelta(0)
        self.stopped = False  # everything is

    def now(self) -> datetime:
        """The fake's clock, which a test may put forward."""
        return datetime.now(UTC) + self.shift

    def items(self) -> Iterator[tuple[FakeRequest, AskedItem]]:
        for request in self.requests.values():
            for asked_item in request.items:
                yield request, asked_item

    def happened(self, kind: str, asked_item: AskedItem, **facts: Json) -> None:
        """Something about an item, for the event stream."""
        event: Document = {
            "number": len(self.events) + 1,
            "type": kind,
            "request": asked_item.request,
            "item": asked_item.item,
        }
        self.events.append({**event, "at": rfc3339(self.now()), **facts})

    def run(self, key: str) -> Run:
        return self.runs.setdefault(key, Run(key))

    def digest(self, asked_item: AskedItem, args: Json = None) -> str:
        """The digest of what would run, as the gateway makes it."""
        return action_digest(
            agent=self.agent,
            action=asked_item.action,
            schema_version=1,
            args=asked_item.args if args is None else args,
            subject=self.subject(asked_item),
            attachments=self.files(asked_item),
        )

    def subject(self, asked_item: AskedItem) -> str:
        return str(asked_item.sent.get("subject", ""))

    def files(self, asked_item: AskedItem) -> list[str]:
        """The digests of its attachments."""
        named = asked_item.sent.get("attachments")
        attachments = [self.attachments.get(str(name)) for name in named] if isinstance(named, list) else []
        return [str(file["digest"]) for file in attachments if file]

    def settle(self, request: FakeRequest, asked_item: AskedItem, answer: Answer) -> None:
        """Decide an item; with the last of them the request is closed and its document written."""
        asked_item.answer = answer
        now = self.now()
        if answer.says in ENDED:
            asked_item.status = answer.says
            asked_item.decided = {"id": asked_item.item, "status": answer.says, "verdict": None, "source": None}
            asked_item.decided["message"] = ENDED[answer.says]
            self.happened(answer.says, asked_item)
        else:
            asked_item.status = "decided"
            args = answer.args_for(asked_item.args)
            self._could_be_decided(asked_item, answer, args)
            runs = answer.says in (APPROVE, MODIFY) and asked_item.subject == "action"
            asked_item.digest = self.digest(asked_item, args) if asked_item.subject == "action" else asked_item.digest
            asked_item.revision += runs and args != asked_item.args
            asked_item.decided = self._decided(request, asked_item, answer, args, now)
            self.happened("released", asked_item, verdict=answer.says, source=answer.source)
        if all(item.status != "pending" for item in request.items):
            self.close(request, now)

    def _could_be_decided(self, asked_item: AskedItem, answer: Answer, args: Json) -> None:
        """The gateway takes no verdict that an action type, or the agent, does not offer. Raises AssertionError."""
        kind = self.kinds.get(asked_item.action)
        if kind is None or answer.source != "human":
            return
        offered = asked_item.sent.get("allowed")
        allowed = [says for says in kind.allowed if not isinstance(offered, list) or says in offered]
        if answer.says not in allowed:
            raise AssertionError(
                f"No reviewer can {answer.says} {asked_item.action!r}: offered are {', '.join(allowed)}."
            )
        if answer.says in (APPROVE, MODIFY) and (faults := kind.faults(args)):
            raise AssertionError(
                f"No reviewer can let {asked_item.action!r} run with {args}: {faults[0][0]}: {faults[0][1]}"
            )

    def close(self, request: FakeRequest, now: datetime) -> None:
        kinds = {"decided" if one.status == "recalled" else one.status for one in request.items}
        request.status = kinds.pop() if len(kinds) == 1 else "decided"
        request.closed = now
        document = {"request": request.id, "status": request.status, "items": [one.decided for one in request.items]}
        request.document = json.dumps({**document, "resume": request.body.get("resume", {})}, separators=(",", ":"))

    def recall(self, request: FakeRequest, asked_item: AskedItem, reason: str, message: str | None) -> None:
        """Take a released approval back: a second document, and the first stays."""
        now = rfc3339(self.now())
        asked_item.status = "recalled"
        sentence = message or "A reviewer recalled this approval before it ran. It must not run."
        asked_item.decided = {
            "id": asked_item.item,
            "status": asked_item.status,
            "verdict": None,
            "source": None,
            "action": None,
        }
        asked_item.decided |= {"permit": None, "plan": None, "reason": reason, "message": sentence}
        asked_item.decided |= {"recalled_at": now, "recalled_by": {"tier": 1, "name": REVIEWER}}
        if request.document:
            document = json.loads(request.newest)
            document["items"] = [item.decided for item in request.items]
            request.recalled = json.dumps(document, separators=(",", ":"))
        self.happened("recalled", asked_item, reason=reason, source="human", tier=1)

    def _decided(
        self, request: FakeRequest, asked_item: AskedItem, answer: Answer, args: Json, now: datetime
    ) -> Document:
        may_run = answer.says in (APPROVE, MODIFY)
        document: Document = {
            "id": asked_item.item,
            "status": "decided",
            "verdict": answer.says,
            "alternative": answer.alternative,
            "source": answer.source,
            "action": None,
            "action_digest": asked_item.digest,
            "permit": None,
            "answer": answer.answer if answer.says == ANSWER else None,
            "message": answer.message,
            "stop": answer.stop,
            "remember": answer.remember,
            "compensate": [],
            "plan": None,
            "guidance": answer.guidance,
            "decided_at": rfc3339(now),
            "decided_by": {"tier": 1, "name": REVIEWER} if answer.source == "human" else None,
            "approved_by": [{"name": REVIEWER, "tier": 1, "domain": "general", "stage": None}]
            if may_run and answer.source == "human"
            else [],
            "policy_version": POLICY_VERSION,
        }
        if answer.says == REJECT and answer.source == "policy":
            document["reasons"] = answer.reason_documents
        if answer.says == REJECT and asked_item.run:
            document["compensate"] = list(self.run(asked_item.run).compensations())
            self.run(asked_item.run).end(asked_to_undo=answer.source == "human", stopped=answer.stop)
        if may_run and asked_item.subject == "action":
            document["action"] = {"name": asked_item.action, "args": args}
            document["permit"] = self._permit(request, asked_item, answer, now)
        if may_run and asked_item.subject == "plan":
            document["plan"] = {"steps": self._steps(asked_item)}
        return document

    def _permit(self, request: FakeRequest, asked_item: AskedItem, answer: Answer, now: datetime) -> str:
        asked_item.jti = str(uuid.uuid4())
        asked_item.permit_ends = now.timestamp() + answer.permit_valid
        claims: Document = {
            "iss": ISSUER,
            "aud": self.agent,
            "jti": asked_item.jti,
            "iat": int(now.timestamp()),
            "exp": int(asked_item.permit_ends),
            "request": request.id,
            "item": asked_item.item,
            "revision": asked_item.revision,
            "action": asked_item.action,
            "action_digest": asked_item.digest,
            "schema_version": 1,
            "subject": self.subject(asked_item),
            "attachments": self.files(asked_item),
            "policy_version": POLICY_VERSION,
        }
        asked_item.forged = self.forgeries.pop(0) if self.forgeries else ""
        asked_item.permit = permits.issued(self.signer, claims, forgery=asked_item.forged)
        return asked_item.permit

    def _steps(self, asked_item: AskedItem) -> list[Json]:
        return [self._step(step) for step in objects(asked_item.sent.get("plan"), "steps")]

    def _step(self, step: Object) -> Document:
        sent = step["action"] if isinstance(step["action"], Mapping) else {}
        name, args = str(sent["name"]), sent.get("args", {})
        document: Document = {"id": step["id"], "verdict": APPROVE, "action": {"name": name, "args": args}}
        document["action_digest"] = action_digest(agent=self.agent, action=name, schema_version=1, args=args)
        return {**document, "depends_on": step.get("depends_on", []), "undo": step.get("undo")}


def objects(value: Json, name: str) -> list[Object]:
    """The objects of a list inside an object; none where there is no such list."""
    listed = value.get(name) if isinstance(value, Mapping) else None
    return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
