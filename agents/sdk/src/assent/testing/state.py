"""What the fake gateway knows: requests, permits, runs, grants. No HTTP, no instructions."""

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from assent.digest import action_digest
from assent.shapes import Json, Object
from assent.testing import permits
from assent.testing.shapes import Kind
from assent.testing.told import ANSWER, APPROVE, CANCELLED, EXPIRED, MODIFY, REJECT, Answer, Asked, Document

ISSUER = "https://assent.test"
POLICY_VERSION = 7
REVIEWER = "Test Reviewer"
# Whoever is asked here is asked alone.
AT_ONCE: Object = {"tier": 1, "domain": "general", "approvers": 1, "stages": [], "typed": False}
ENDED = {EXPIRED: "Nobody decided before the deadline.", CANCELLED: "The agent withdrew this request."}


def rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass(slots=True)
class Pause:
    """One request of an agent with its items."""

    id: str
    body: Object
    items: list[Asked]
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

    def asked(self) -> list[Document]:
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
        self.pauses: dict[str, Pause] = {}
        self.keys: dict[str, Pause] = {}
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

    def items(self) -> Iterator[tuple[Pause, Asked]]:
        for pause in self.pauses.values():
            for one in pause.items:
                yield pause, one

    def happened(self, kind: str, one: Asked, **facts: Json) -> None:
        """Something about an item, for the event stream."""
        told: Document = {"number": len(self.events) + 1, "type": kind, "request": one.request, "item": one.item}
        self.events.append({**told, "at": rfc3339(self.now()), **facts})

    def run(self, key: str) -> Run:
        return self.runs.setdefault(key, Run(key))

    def digest(self, one: Asked, args: Json = None) -> str:
        """The digest of what would run, as the gateway makes it."""
        return action_digest(
            agent=self.agent,
            action=one.action,
            schema_version=1,
            args=one.args if args is None else args,
            about=self.about(one),
            attachments=self.files(one),
        )

    def about(self, one: Asked) -> str:
        return str(one.sent.get("subject", ""))

    def files(self, one: Asked) -> list[str]:
        """The digests of its attachments."""
        named = one.sent.get("attachments")
        known = [self.attachments.get(str(name)) for name in named] if isinstance(named, list) else []
        return [str(file["digest"]) for file in known if file]

    def settle(self, pause: Pause, one: Asked, answer: Answer) -> None:
        """Decide an item; with the last of them the request is closed and its document written."""
        one.answer = answer
        now = self.now()
        if answer.says in ENDED:
            one.status = answer.says
            one.decided = {"id": one.item, "status": answer.says, "verdict": None, "source": None}
            one.decided["message"] = ENDED[answer.says]
            self.happened(answer.says, one)
        else:
            one.status = "decided"
            args = answer.args_for(one.args)
            self._could_be_decided(one, answer, args)
            runs = answer.says in (APPROVE, MODIFY) and one.subject == "action"
            one.digest = self.digest(one, args) if one.subject == "action" else one.digest
            one.revision += runs and args != one.args
            one.decided = self._decided(pause, one, answer, args, now)
            self.happened("released", one, verdict=answer.says, source=answer.source)
        if all(item.status != "pending" for item in pause.items):
            self.close(pause, now)

    def _could_be_decided(self, one: Asked, answer: Answer, args: Json) -> None:
        """The gateway takes no verdict that an action type, or the agent, does not offer. Raises AssertionError."""
        kind = self.kinds.get(one.action)
        if kind is None or answer.source != "human":
            return
        offered = one.sent.get("allowed")
        allowed = [says for says in kind.allowed if not isinstance(offered, list) or says in offered]
        if answer.says not in allowed:
            raise AssertionError(f"No reviewer can {answer.says} {one.action!r}: offered are {', '.join(allowed)}.")
        if answer.says in (APPROVE, MODIFY) and (faults := kind.faults(args)):
            raise AssertionError(f"No reviewer can let {one.action!r} run with {args}: {faults[0][0]}: {faults[0][1]}")

    def close(self, pause: Pause, now: datetime) -> None:
        kinds = {"decided" if one.status == "recalled" else one.status for one in pause.items}
        pause.status = kinds.pop() if len(kinds) == 1 else "decided"
        pause.closed = now
        told = {"request": pause.id, "status": pause.status, "items": [one.decided for one in pause.items]}
        pause.document = json.dumps({**told, "resume": pause.body.get("resume", {})}, separators=(",", ":"))

    def recall(self, pause: Pause, one: Asked, reason: str, message: str | None) -> None:
        """Take a released approval back: a second document, and the first stays."""
        now = rfc3339(self.now())
        one.status = "recalled"
        told = message or "A reviewer recalled this approval before it ran. It must not run."
        one.decided = {"id": one.item, "status": one.status, "verdict": None, "source": None, "action": None}
        one.decided |= {"permit": None, "plan": None, "reason": reason, "message": told}
        one.decided |= {"recalled_at": now, "recalled_by": {"tier": 1, "name": REVIEWER}}
        if pause.document:
            document = json.loads(pause.newest)
            document["items"] = [item.decided for item in pause.items]
            pause.recalled = json.dumps(document, separators=(",", ":"))
        self.happened("recalled", one, reason=reason, source="human", tier=1)

    def _decided(self, pause: Pause, one: Asked, answer: Answer, args: Json, now: datetime) -> Document:
        may_run = answer.says in (APPROVE, MODIFY)
        told: Document = {
            "id": one.item,
            "status": "decided",
            "verdict": answer.says,
            "alternative": answer.alternative,
            "source": answer.source,
            "action": None,
            "action_digest": one.digest,
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
        if answer.says == REJECT and one.run:
            told["compensate"] = list(self.run(one.run).compensations())
            self.run(one.run).end(asked_to_undo=answer.source == "human", stopped=answer.stop)
        if may_run and one.subject == "action":
            told["action"] = {"name": one.action, "args": args}
            told["permit"] = self._permit(pause, one, answer, now)
        if may_run and one.subject == "plan":
            told["plan"] = {"steps": self._steps(one)}
        return told

    def _permit(self, pause: Pause, one: Asked, answer: Answer, now: datetime) -> str:
        one.jti = str(uuid.uuid4())
        one.permit_ends = now.timestamp() + answer.permit_valid
        claims: Document = {
            "iss": ISSUER,
            "aud": self.agent,
            "jti": one.jti,
            "iat": int(now.timestamp()),
            "exp": int(one.permit_ends),
            "request": pause.id,
            "item": one.item,
            "revision": one.revision,
            "action": one.action,
            "action_digest": one.digest,
            "schema_version": 1,
            "subject": self.about(one),
            "attachments": self.files(one),
            "policy_version": POLICY_VERSION,
        }
        one.forged = self.forgeries.pop(0) if self.forgeries else ""
        one.permit = permits.issued(self.signer, claims, forgery=one.forged)
        return one.permit

    def _steps(self, one: Asked) -> list[Json]:
        return [self._step(step) for step in objects(one.sent.get("plan"), "steps")]

    def _step(self, step: Object) -> Document:
        sent = step["action"] if isinstance(step["action"], Mapping) else {}
        name, args = str(sent["name"]), sent.get("args", {})
        told: Document = {"id": step["id"], "verdict": APPROVE, "action": {"name": name, "args": args}}
        told["action_digest"] = action_digest(agent=self.agent, action=name, schema_version=1, args=args)
        return {**told, "depends_on": step.get("depends_on", []), "undo": step.get("undo")}


def objects(value: Json, name: str) -> list[Object]:
    """The objects of a list inside an object; none where there is no such list."""
    listed = value.get(name) if isinstance(value, Mapping) else None
    return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
