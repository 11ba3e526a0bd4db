"""Unsent text: what a person typed on a card and did not send, kept until the card is settled or for seven days.

It is private to its author, stands in no history and in no log, and never holds a typed confirmation or a password.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypedDict
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from approvals.db import times
from approvals.errors import ReviewError
from approvals.models import Approval, UnsentText, User
from approvals.models.states import OPEN, Status

KEPT_FOR = timedelta(days=7)
LONGEST = 200_000  # characters of one form, as JSON
MOST = 500  # forms of one person; beyond that the oldest goes

# What proves who somebody is, or what ties a form to its card, is nobody's text, whatever a page sends.
NEVER_KEPT = frozenset({"typed", "password", "login", "csrfmiddlewaretoken", "version", "digest", "attempt", "viewed"})
# Forms with which nothing can be done once the card is settled. A comment or a report of harm still can be sent.
UNTIL_SETTLED = frozenset({"approve", "reject", "modify", "plan", "answer", "escalate", "snooze", "ask"})


class UnsentTextTooLong(ReviewError):
    """This is too long to be kept on the server; it stays in this tab."""

    def __init__(self) -> None:
        super().__init__(_("This is too long to be kept on the server; it stays in this tab."))


class Ended(ReviewError):
    """The card is settled, so that nothing is kept of it any more."""

    def __init__(self) -> None:
        super().__init__(_("This is settled."))


class StoredText(TypedDict):
    """One row, for its author's page."""

    id: str
    slot: str
    version: str
    tab: str
    turn: int
    fields: Mapping[str, Sequence[str]]
    at: str


@dataclass(frozen=True, slots=True)
class FormKey:
    """Which form of which page: of an approval, of a run, or of neither."""

    slot: str
    version: str = ""
    approval_id: UUID | None = None
    run_id: UUID | None = None


def keep(
    form: FormKey, fields: Mapping[str, Sequence[str]], *, by: User, tab: str, turn: int, instead_of: str = ""
) -> UnsentText | None:
    """Keep what a tab's form holds now; an empty form keeps nothing. Returns the row, None where there is none.

    `instead_of` is "id:turn" of the text of another tab that this tab went on with: it goes, unless it was changed.
    Raises UnsentTextTooLong, or Ended where the form belongs to a verdict that cannot be given any more.
    """
    typed = {name: [_storable(value) for value in values] for name, values in fields.items() if _is_text(name)}
    if len(json.dumps(typed, ensure_ascii=False)) > LONGEST:
        raise UnsentTextTooLong
    with transaction.atomic():
        if _is_over(form):
            raise Ended
        _drop_continued(by, instead_of)
        if not any(value for values in typed.values() for value in values):
            _of_tab(form, by, tab).filter(turn__lt=turn).delete()
            return None
        return _store(form, typed, by=by, tab=tab, turn=turn)


def unsent_texts_of(user: User, *, approval_id: UUID | None = None, run_id: UUID | None = None) -> list[StoredText]:
    """What this person typed and did not send there, newest first; without an object, on pages that have none."""
    rows = UnsentText.objects.filter(user=user, **_object(approval_id, run_id)).order_by("-typed_at", "-pk")
    return [
        StoredText(
            id=str(row.pk),
            slot=row.slot,
            version=row.version,
            tab=row.tab,
            turn=row.turn,
            fields=row.fields,
            at=row.typed_at.isoformat(),
        )
        for row in rows
    ]


def approvals_with_text(user: User) -> list[UUID]:
    """The cards that still wait and on which this person typed something."""
    rows = UnsentText.objects.filter(user=user, approval__status__in=OPEN)
    return list(rows.order_by().values_list("approval_id", flat=True).distinct())


def discard(row_id: UUID, *, by: User) -> bool:
    """Its author wants it no more. False where there is none, or it is another's."""
    count, _by_model = UnsentText.objects.filter(pk=row_id, user=by).delete()
    return count > 0


def discard_sent(form: FormKey, *, by: User, tab: str, verdict: bool, instead_of: str = "") -> None:
    """What this tab held of the form was sent. With a verdict that is held it stays: an undo brings the card back."""
    if verdict and form.approval_id and Approval.objects.filter(pk=form.approval_id, status=Status.HELD).exists():
        return
    _drop_continued(by, instead_of)
    _of_tab(form, by, tab).delete()


def drop_settled(approvals: Collection[Approval]) -> None:
    """These cards are settled, by whomever: what was typed towards a verdict on them goes, of everybody."""
    ended = [approval.pk for approval in approvals if not approval.is_open]
    UnsentText.objects.filter(approval__in=ended, slot__in=UNTIL_SETTLED).delete()


def lapse() -> int:
    """Delete what is older than seven days, and what reached a card while it was being settled."""
    old = Q(typed_at__lt=times.now() - KEPT_FOR)
    late = Q(slot__in=UNTIL_SETTLED) & Q(approval__isnull=False) & ~Q(approval__status__in=OPEN)
    count, _by_model = UnsentText.objects.filter(old | late).delete()
    return count


def _is_over(form: FormKey) -> bool:
    if form.approval_id is None or form.slot not in UNTIL_SETTLED:
        return False
    return not Approval.objects.filter(pk=form.approval_id, status__in=OPEN).exists()


def _is_text(name: str) -> bool:
    return name not in NEVER_KEPT and not name.startswith("password")


def _storable(text: str) -> str:
    """Without what PostgreSQL cannot hold: NUL, and halves of a character."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _of_tab(form: FormKey, by: User, tab: str) -> QuerySet[UnsentText]:
    return UnsentText.objects.filter(user=by, tab=tab, **_key(form))


def _key(form: FormKey) -> dict[str, Any]:
    return {**_object(form.approval_id, form.run_id), "slot": form.slot, "version": form.version}


def _object(approval_id: UUID | None, run_id: UUID | None) -> dict[str, Any]:
    return {"approval_id": approval_id, "run_id": run_id}


def _store(form: FormKey, typed: Mapping[str, Sequence[str]], *, by: User, tab: str, turn: int) -> UnsentText:
    now = times.now()
    row, created = UnsentText.objects.get_or_create(
        user=by, tab=tab, **_key(form), defaults={"turn": turn, "fields": typed, "typed_at": now}
    )
    if created:
        _make_room(by)
    else:
        # Two messages of one tab may overtake each other: the later text stands, whichever arrives last.
        UnsentText.objects.filter(pk=row.pk, turn__lt=turn).update(turn=turn, fields=typed, typed_at=now)
    return row


def _drop_continued(by: User, instead_of: str) -> None:
    pk, _sep, turn = instead_of.partition(":")
    try:
        UnsentText.objects.filter(user=by, pk=UUID(pk), turn=int(turn)).delete()
    except ValueError:
        return  # none


def _make_room(by: User) -> None:
    newest = UnsentText.objects.filter(user=by).order_by("-typed_at", "-pk")
    old = list(newest.values_list("pk", flat=True)[MOST:])
    if old:
        UnsentText.objects.filter(pk__in=old).delete()
