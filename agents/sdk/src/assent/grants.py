"""Standing approvals: what runs without asking, and the few of them that count while Assent is out of reach.

Those are signed beforehand, kept in the journal with the count of their uses, and each use is reported as soon as
somebody answers again. They exist for reversible action types only; whatever is not covered word for word is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import quote

from assent import tokens
from assent.core import Core
from assent.digest import action_digest, canonical
from assent.documents import objects
from assent.errors import AssentError, PermitRefused, Unavailable
from assent.journal import Entry
from assent.redaction import at
from assent.shapes import Args, Json, Object
from assent.tokens import GRANT, Token
from assent.wire import Flow, on_disk

_KIND = "grants"
_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", re.ASCII)


def fetch(core: Core) -> Flow[Sequence[Object]]:
    """The agent's standing approvals in force; the tokens of those for use offline go into the journal."""
    documents = objects((yield from core.get("grants")).json().get("grants"))
    agent = yield from core.name()
    held = {str(grant["id"]): grant for grant in documents if grant.get("token")}
    if held and tokens.can_verify():
        newest = next(iter(held.values()))
        yield from tokens.keys(core, kid=tokens.read(str(newest["token"]), GRANT).kid)
    yield from on_disk(lambda: _keep_tokens(core, agent, held))
    return documents


def _keep_tokens(core: Core, agent: str, held: Mapping[str, Object]) -> None:
    """Keep these tokens and no other: what is not listed any more was revoked, used up, or is over."""
    with core.journal.alone():
        core.journal.put("own", "agent", {"name": agent})
        kept = {document["key"]: document for document in core.journal.documents(_KIND)}
        for key in {*kept, *held}:
            # A file that cannot be read no longer says how often its approval was used: nothing runs by that one.
            if key in kept or not core.journal.path_of(_KIND, key).exists():
                grant = held.get(key, {})
                before = kept.get(key) or {"used": _count(grant.get("used"))}
                core.journal.put(_KIND, key, {**before, "token": str(grant.get("token", ""))})


def _count(value: Json) -> int:
    return value if isinstance(value, int) else 0


def use(core: Core, entry: Entry, args: Args, outage: Unavailable) -> Flow[Entry]:
    """Use a standing approval for an action that nobody can be asked about; the use is on the disk before it runs.

    Raises Unavailable where none covers it.
    """
    if not tokens.can_verify():
        return (yield from on_disk(lambda: _refuse_offline(outage, "offline use needs the extra assent[verify]")))
    return (yield from on_disk(lambda: _use(core, entry, args, outage)))


def _refuse_offline(outage: Unavailable, why: str) -> Entry:
    raise Unavailable(f"{outage} Nothing runs: {why}.") from outage


def _use(core: Core, entry: Entry, args: Args, outage: Unavailable) -> Entry:
    journal = core.journal
    whys: list[str] = []
    with journal.alone():
        keys = (journal.read("own", "keys") or {}).get("keys", {})
        agent = core.agent or (journal.read("own", "agent") or {}).get("name", "")
        for kept in journal.documents(_KIND):
            grant = kept["key"]
            if not kept["token"]:
                continue
            try:
                token = tokens.read(kept["token"], GRANT)
                tokens.verify(token, keys)
                check_grant(token, agent=agent, grant=grant, action=entry.action, args=args, used=kept["used"])
            except PermitRefused as no:
                whys.append(str(no))
                continue
            journal.put(_KIND, grant, {**kept, "used": kept["used"] + 1})
            at_ = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            return journal.write(entry.with_changes(state="consuming", grant=grant, used_at=at_))
    return _refuse_offline(outage, "no standing approval covers it" + (f" ({'; '.join(whys)})" if whys else ""))


def check_grant(token: Token, *, agent: str, grant: str, action: str, args: Json, used: int) -> None:
    """Raises PermitRefused, saying why, unless a verified token lets this action run once more."""
    if token.text("aud") != agent or not agent:
        raise PermitRefused("The standing approval is for another agent.", reason="audience")
    if token.text("jti") != grant or token.text("action") != action:
        raise PermitRefused(f"A standing approval is for {token.text('action')!r} only.", reason="action")
    tokens.in_time(token)
    if used >= token.number("most"):
        raise PermitRefused(f"The standing approval for {action!r} is used up ({used} times).", reason="consumed")
    for condition in conditions_of(token):
        if not is_fulfilled(condition, args):
            bound = f"{condition.get('path')} {condition.get('op')} {condition.get('value')!r}"
            text = f"The standing approval for {action!r} wants {bound}."
            raise PermitRefused(text, reason="conditions")


def conditions_of(token: Token) -> Sequence[Object]:
    """The conditions in a token. Raises PermitRefused where they cannot be read: half of them is not enough."""
    conditions = token.claims.get("conditions", [])
    if (
        not isinstance(conditions, list)
        or not all(isinstance(one, Mapping) for one in conditions)
        or token.claims.get("expression")
    ):
        raise PermitRefused("The standing approval has conditions that cannot be checked here.", reason="conditions")
    return objects(conditions)


def report_use(core: Core, entry: Entry) -> Flow[None]:
    """Report one use that happened while Assent was out of reach; the same key is the same use. Without an outcome
    nobody knows whether it ran."""
    [item] = entry.body["items"]
    used: dict[str, Json] = {
        "key": entry.once,
        "at": entry.used_at,
        "action": item["action"],
        "action_digest": digest_used(core, entry, item),
        "outcome": entry.outcome,
        "detail": entry.detail,
    }
    if item.get("subject"):
        used["subject"] = item["subject"]
    yield from core.post(f"grants/{quote(entry.grant)}/uses", {"uses": [used]})


def digest_used(core: Core, entry: Entry, item: Args) -> str:
    """The digest of what ran, as the token's claims make it."""
    kept = core.journal.read(_KIND, entry.grant) or {}
    try:
        version = tokens.read(kept.get("token", ""), GRANT).number("schema_version")
    except AssentError:
        version = 0
    return action_digest(
        agent=core.agent or (core.journal.read("own", "agent") or {}).get("name", ""),
        action=entry.action,
        schema_version=version,
        args=item["action"]["args"],
        subject=str(item.get("subject", "")),
    )


# --- Conditions: the same table as the server's


def is_fulfilled(condition: Object, args: Json) -> bool:
    """Whether arguments fulfil {"path", "op", "value"}. What is missing or of another type does not."""
    present, actual = at(args, str(condition.get("path", "")))
    expected, op = condition.get("value"), condition.get("op")
    if not present:
        return False
    if op in ("lt", "le", "gt", "ge"):
        left, right = _decimal(actual), _decimal(expected)
        if left is None or right is None:
            return False
        return {"lt": left < right, "le": left <= right, "gt": left > right, "ge": left >= right}[op]
    if op == "in":
        return isinstance(expected, list) and any(_same(actual, one) for one in expected)
    if op == "starts":
        return isinstance(actual, str) and isinstance(expected, str) and actual.startswith(expected)
    if op == "eq":
        return _same(actual, expected)
    return op == "ne" and _kind(actual) == _kind(expected) and not _same(actual, expected)


def _decimal(value: Json) -> Decimal | None:
    """A number, or a text that is nothing but one: ASCII digits, no exponent, no space."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return None
    number = Decimal(str(value))
    return number if number.is_finite() else None


def _same(left: Json, right: Json) -> bool:
    return _kind(left) == _kind(right) and canonical(left) == canonical(right)


def _kind(value: Json) -> str:
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float) else type(value).__name__
