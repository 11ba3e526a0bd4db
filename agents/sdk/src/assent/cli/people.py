"""`assent inbox` and `assent decide`: a reviewer's side, with the personal token in ASSENT_TOKEN."""

import argparse
import os
from collections.abc import Mapping
from urllib.parse import quote

import httpx

from assent.cli.out import Out, argument_type, read_json
from assent.core import API, trimmed
from assent.documents import objects
from assent.drive import lost
from assent.errors import BadRequest, NotConfigured, Unavailable
from assent.screen import table, value, visible
from assent.shapes import Json, Object
from assent.wire import Answer, problem_in

VERDICTS = ("approve", "modify", "reject", "answer", "skip")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    inbox = commands.add_parser("inbox", parents=[common], help="what waits for you; with an id, one card")
    inbox.add_argument("approval", nargs="?")
    inbox.add_argument("--action", help="only this action type")
    inbox.add_argument("--agent", help="only this agent's")
    inbox.add_argument("--limit", type=int, default=50, metavar="ROWS")
    inbox.set_defaults(run=_inbox)
    decide = commands.add_parser("decide", parents=[common], help="decide exactly what you read")
    decide.add_argument("approval")
    decide.add_argument("verdict", choices=VERDICTS)
    decide.add_argument("--revision", type=int, required=True, help="of the card that you read")
    decide.add_argument("--digest", required=True, help="of the card that you read")
    decide.add_argument("--round", type=int, required=True, help="of the card that you read")
    decide.add_argument("--stage", type=int, help="of the card that you read, where it has stages")
    decide.add_argument("--message", help="what the agent is told")
    decide.add_argument("--reason", help="from the pick-list of reasons")
    decide.add_argument(
        "--edits", type=argument_type(read_json), metavar="JSON", help="modify: JSON Patch, @file, or -"
    )
    decide.add_argument(
        "--steps", type=argument_type(read_json), metavar="JSON", help="modify a plan: its steps, @file, or -"
    )
    decide.add_argument("--alternative", help="modify: the label of the one that you choose")
    decide.add_argument("--answer", type=argument_type(read_json), metavar="JSON", help="answer: any JSON, @file, or -")
    decide.add_argument("--guidance", help="what the agent is to keep in mind from here on")
    decide.add_argument("--stop", action="store_true", help="reject: end the whole run")
    decide.set_defaults(run=_decide)


class Person:
    """A connection with a personal token. Nothing is tried twice: a verdict may have been taken."""

    def __init__(self) -> None:
        url, token = os.environ.get("ASSENT_URL", "").strip().rstrip("/"), trimmed(os.environ.get("ASSENT_TOKEN", ""))
        if not url.startswith(("https://", "http://")):
            raise NotConfigured("Where is Assent? Set ASSENT_URL to https://… .")
        if not token:
            raise NotConfigured("Who decides? Set ASSENT_TOKEN to your personal token (asp_…).")
        headers = {"Authorization": f"Bearer {token}", "User-Agent": "assent-python/cli"}
        self._http = httpx.Client(base_url=url + API, headers=headers, timeout=30)

    def get(self, path: str, **params: str) -> Object:
        return self._answer("GET", path, params, None)

    def post(self, path: str, body: Json) -> Object:
        return self._answer("POST", path, {}, body)

    def _answer(self, method: str, path: str, params: Mapping[str, str], body: Json) -> Object:
        with self._http as http:
            try:
                response = http.request(method, path, params=params, json=body)
            except httpx.TransportError as error:
                raise Unavailable(f"Assent is out of reach: {lost(error).text}.") from error
        answer = Answer(response.status_code, dict(response.headers), response.content)
        if answer.status < 300:
            return answer.json()
        problem = problem_in(answer)
        if not problem or answer.status >= 500:
            raise Unavailable(f"Assent cannot answer now (status {answer.status}).")
        raise BadRequest(problem, status=answer.status)


def _inbox(options: argparse.Namespace, out: Out) -> int:
    if options.approval:
        card = Person().get(f"inbox/{quote(options.approval, safe='')}")
        out.tell(card, *_card(card))
        return 0
    filters = {"action": options.action, "agent": options.agent, "limit": str(options.limit)}
    inbox = Person().get("inbox", **{name: text for name, text in filters.items() if text})
    rows = [_row(one) for one in objects(inbox.get("approvals"))]
    more = ["There is more; see the next page with a higher --limit, or filter."] if inbox.get("next") else []
    out.tell(inbox, *(table([_HEAD, *rows]) if rows else ["Nothing waits for you."]), *more)
    return 0


_HEAD = ("id", "waits", "tier", "agent", "what")


def _row(entry: Object) -> tuple[str, ...]:
    return (
        str(entry.get("id")),
        _span(entry.get("pending_s")),
        str(entry.get("tier")),
        visible(str(entry.get("agent")), longest=24),
        visible(str(entry.get("headline")), longest=80) + ("  ⚑" if entry.get("flags") else ""),
    )


def _span(seconds: Json) -> str:
    left = int(seconds) if isinstance(seconds, int | float) else 0
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if left >= size:
            return f"{left // size} {unit}"
    return f"{left} s"


def _card(card: Object) -> list[str]:
    """A card in words, and the commands that decide just what it shows."""
    lines = [visible(str(card.get("headline"))), f"  {card.get('status')}, asked by {visible(str(card.get('agent')))}"]
    args = card.get("arguments")
    if isinstance(args, Mapping):
        lines += [f"  {line}" for line in table([(visible(name), value(told)) for name, told in args.items()])]
    elif args is not None:
        lines.append(f"  {value(args)}")
    question = card.get("question")
    if isinstance(question, Mapping):
        lines.append(f"  question: {visible(str(question.get('prompt')))}")
    lines += [f"  ⚑ {visible(str(flag.get('text')))}" for flag in objects(card.get("flags"))]
    lines += [f"  reason: {visible(str(reason.get('text')))}" for reason in objects(card.get("reasons"))]
    for name in ("policy_text", "value", "reversibility", "current", "alternatives"):
        if content := card.get(name):
            lines.append(f"  {name.replace('_', ' ')}: {value(content)}")
    weighed = card.get("confidence")
    if isinstance(weighed, Mapping) and weighed.get("score") is not None:
        lines.append(f"  confidence: {value(weighed['score'])} ({weighed.get('shown')})")
    for name in ("summary", "reasoning", "context"):
        if content := card.get(name):
            lines.append(f"  the agent's {name} (not verified): {value(content)}")
    stages = objects(card.get("stages"))
    if stages:
        stage_names = ", then ".join(f"tier {one.get('tier')} {visible(str(one.get('domain')))}" for one in stages)
        lines.append(f"  stage {card.get('stage')} of {len(stages)}: {stage_names}")
    allowed = card.get("allowed")
    seen = f"--revision {card.get('revision')} --round {card.get('round')} --digest {card.get('digest')}"
    if stages:
        seen += f" --stage {card.get('stage')}"
    for verdict in allowed if isinstance(allowed, list) else ():
        lines.append(f"assent decide {card.get('id')} {verdict} {seen}{_NEEDS.get(str(verdict), '')}")
    if card.get("gate") == "manual" or card.get("typed"):
        lines.append("This is decided on the page only.")
    return lines


_SEEN = ("revision", "digest", "round")
_NEEDS = {"modify": " --edits '[{…}]'", "reject": " --message '…'", "answer": " --answer '…'"}


def _decide(options: argparse.Namespace, out: Out) -> int:
    body: dict[str, Json] = {}
    for name in (
        "revision",
        "digest",
        "round",
        "stage",
        "verdict",
        "message",
        "reason",
        "edits",
        "steps",
        "alternative",
        "guidance",
    ):
        if getattr(options, name) is not None:
            body[name] = getattr(options, name)
    if options.verdict == "answer":
        body["answer"] = options.answer
    if options.stop:
        body["stop"] = True
    card = Person().post(f"inbox/{quote(options.approval, safe='')}/decide", body)
    held = f" It is held until {card['held_until']} and can be undone on the page." if card.get("held_until") else ""
    out.tell(card, f"{visible(str(card.get('headline')))}: {card.get('verdict') or card.get('status')}.{held}")
    return 0
