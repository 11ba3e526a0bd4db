"""News for open inboxes: what changed goes to the groups of its queues, by id and sequence only.

A push is a hint and may be lost. Each process therefore also follows the feed itself: every few seconds it looks
what was sealed since, tells its own pages, and checks that each page's person still has the rights it was opened with.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol
from uuid import UUID
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.signals import user_logged_out
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Max
from django.db.models.signals import post_delete, post_save, pre_save
from django.dispatch import Signal
from django.utils import translation

from agents import push
from approvals.db import times
from approvals.execution import kill_switch
from approvals.history import audit, seal
from approvals.models import Absence, Approval, AuditEvent, Domain, Membership, Tier, User
from approvals.models.states import DISGUISED, Status, queue_name
from approvals.notify import notification_text, reached
from approvals.people import access, authorities
from approvals.people.authorities import Authority
from approvals.workload import overload
from console.card import stages
from console.inbox import rows
from console.inbox.filters import count_of
from console.inbox.rows import Row

log = logging.getLogger(__name__)

BEAT = 4.0  # seconds between heartbeats; with the look itself, a right or session that is over holds no page for five
MOST = 200  # rows in one frame; beyond that the page re-reads its list
_KEPT = 2000


class OpenPage(Protocol):
    """A socket of an open page, as far as its heartbeat goes."""

    user_id: UUID
    session_key: str

    async def beat(self, beat: Heartbeat) -> None: ...


@dataclass(frozen=True, slots=True)
class Watch:
    """What a page hears of: queues the person reviews (managers and auditors: all), agents the person operates."""

    authority: Authority
    queues: frozenset[str]

    def __bool__(self) -> bool:
        """True where there is anything to hear of."""
        return bool(self.queues or self.authority.operates)

    @property
    def groups(self) -> list[str]:
        operated = [agent_group(pk) for pk in self.authority.operates]
        return [*map(queue_group, self.queues), *operated, person_group(self.authority.user_id)]

    def covers(self, queue: str, agent: str) -> bool:
        return queue in self.queues or UUID(agent) in self.authority.operates


def queue_group(queue: str) -> str:
    return f"inbox.{queue}"


def agent_group(pk: UUID) -> str:
    return f"inbox.agent.{pk}"


def person_group(pk: UUID) -> str:
    return f"inbox.person.{pk}"


# --- Telling


def connect() -> None:
    """Hear of every change of an approval and of every change of who reviews."""
    audit.listen(publish_changes)
    overload.listen(overload_changed)
    kill_switch.listen(stop_changed)
    post_save.connect(_membership_changed, sender=Membership, dispatch_uid="live")
    post_delete.connect(_membership_changed, sender=Membership, dispatch_uid="live")
    for signal in (pre_save, post_save, post_delete):
        signal.connect(_absence_changed, sender=Absence, dispatch_uid="live")
    user_logged_out.connect(_signed_out, dispatch_uid="live")
    post_save.connect(_person_changed, sender=User, dispatch_uid="live")


def publish_changes(changes: Sequence[audit.AuditedChange]) -> None:
    """Publish what changed to its queue, to those it came from, and to the agent's operators."""
    news: dict[str, dict[str, int]] = {}
    for change in changes:
        approval = change.approval
        groups = [*map(queue_group, approval.queues_so_far)]
        if approval.kind not in DISGUISED:  # of which nobody hears as its agent's operator
            groups.append(agent_group(approval.agent_id))
        for group in groups:
            news.setdefault(group, {})[str(approval.pk)] = change.event.seq
    for group, ids in news.items():
        push.send(group, {"type": "rows.changed", "ids": ids})


def overload_changed(queues: set[str]) -> None:
    """A queue has no room any more, or has room again: its pages look at their banner."""
    for queue in sorted(queues):
        push.send(queue_group(queue), {"type": "overload.changed"})


def stop_changed() -> None:
    """Everything was stopped, or that was lifted: every page looks at its banner."""
    tiers, domains = Tier.objects.values_list("pk", flat=True), list(Domain.objects.values_list("pk", flat=True))
    overload_changed({queue_name(tier, domain) for tier in tiers for domain in domains})


def _membership_changed(instance: Membership, **_: object) -> None:
    push.send(person_group(instance.user_id), {"type": "access.changed"})


def _absence_changed(instance: Absence, signal: Signal, **_: object) -> None:
    """Who stood in until now hears of it, and who does from now on."""
    absence = Absence.objects.filter(pk=instance.pk).first() if signal is pre_save else instance
    if absence is not None:
        transaction.on_commit(partial(absence_turned, [absence]))


def absence_turned(absences: Iterable[Absence]) -> None:
    """An absence began, ended or was changed: who has its rights, or no longer has them, is asked anew who they are."""
    for pk in {pk for one in absences for pk in (one.user_id, one.delegate_id) if pk is not None}:
        push.send(person_group(pk), {"type": "access.changed"})


def _signed_out(user: User | None, **_: object) -> None:
    if user is not None:
        rights_changed(user.pk)


def _person_changed(instance: User, created: bool, update_fields: Collection[str] | None = None, **_: object) -> None:
    if not created and set(update_fields or ()) != {"last_login"}:
        transaction.on_commit(partial(rights_changed, instance.pk))


def rights_changed(user_id: UUID) -> None:
    """Every open page of this person is asked anew who it is."""
    push.send(person_group(user_id), {"type": "access.changed"})


# --- Who may hear


def watches(user_ids: Iterable[UUID]) -> dict[UUID, Watch]:
    """The present rights of these people, what they hold for those who are away among them, in six queries."""
    people = User.objects.filter(pk__in=set(user_ids), is_active=True)
    queues = _queues()
    return {pk: _watch(authority, queues) for pk, authority in authorities.authorities_of(people).items()}


def watch_of(user: User) -> Watch:
    """One person's present rights."""
    return _watch(authorities.authority_of(user), _queues())


def _queues() -> list[tuple[int, str]]:
    domains = list(Domain.objects.values_list("pk", flat=True))
    return [(tier, domain) for tier in Tier.objects.values_list("pk", flat=True) for domain in domains]


def _watch(authority: Authority, queues: Iterable[tuple[int, str]]) -> Watch:
    mine = (queue for queue in queues if authority.sees_all or authority.reaches(*queue))
    return Watch(authority, frozenset(queue_name(*queue) for queue in mine))


def first_shown(shown_rows: Iterable[Row], authority: Authority) -> list[reached.WaitingAt]:
    """Of which of these rows nobody had heard before, as far as this process knows; those the person may decide."""
    return reached.not_yet_noted(
        (UUID(row["id"]), row["queue"])
        for row in shown_rows
        if row["status"] == Status.PENDING
        and authority.decides(row["tier"], row["queue"].partition(".")[2], UUID(row["agent"]))
    )


# --- What they hear


class Board:
    """The rows of one event loop: each loaded and rendered once for its state and language, however many pages ask."""

    def __init__(self) -> None:
        self._futures: OrderedDict[tuple[UUID, int, str], asyncio.Future[Row | None]] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    async def rows(self, sequences: Mapping[UUID, int], language: str) -> list[Row]:
        """The rows of these approvals as they were at that sequence or later."""
        keys = [(pk, seq, language) for pk, seq in sequences.items()]
        missing = [key for key in keys if key not in self._futures]
        loop = asyncio.get_running_loop()
        for key in missing:
            self._futures[key] = loop.create_future()
        if missing:
            task = loop.create_task(self._load(missing, language))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        futures = [self._futures[key] for key in keys]
        while len(self._futures) > max(_KEPT, len(keys)):
            self._futures.popitem(last=False)
        return [row for row in await asyncio.gather(*futures) if row is not None]

    async def _load(self, keys: Sequence[tuple[UUID, int, str]], language: str) -> None:
        futures = {key: self._futures[key] for key in keys}
        try:
            rows_by_id = await database_sync_to_async(_rows)([pk for pk, *_ in keys], language)
        except Exception:
            log.exception("rows could not be read")
            rows_by_id = {}
        for key, future in futures.items():
            if not future.done():
                future.set_result(rows_by_id.get(key[0]))
            if key[0] not in rows_by_id:
                self._futures.pop(key, None)  # asked again, it is tried again


def _rows(ids: Iterable[UUID], language: str) -> dict[UUID, Row]:
    rendered_rows = rows.render_rows(ids, language)
    came = _arrived_at([approval for approval, _html in rendered_rows if approval.escalations])
    with translation.override(language):
        return _rows_by_id(rendered_rows, came)


def _arrived_at(escalated: Sequence[Approval]) -> dict[UUID, datetime]:
    """Since when these wait in the tier they are in."""
    if not escalated:
        return {}
    events = AuditEvent.objects.filter(approval__in=[one.pk for one in escalated], kind=AuditEvent.Kind.ESCALATED)
    return dict(events.values_list("approval_id").annotate(Max("at")))


def _rows_by_id(rendered_rows: Sequence[tuple[Approval, str]], came: Mapping[UUID, datetime]) -> dict[UUID, Row]:
    return {
        approval.pk: Row(
            **rows.state_of(approval),
            queue=approval.queue,
            agent=str(approval.agent_id),
            stage=approval.stage,
            tier_name=stages.queue_label(approval),
            title=notification_text.type_title(approval),
            due=min((end.isoformat() for end in (approval.due_at, approval.expires_at) if end), default=""),
            arrived=came.get(approval.pk, approval.created_at).isoformat(),
            escalated=approval.escalations > 0,
            html=html,
        )
        for approval, html in rendered_rows
    }


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What one look at the database found: the feed, what was sealed since the last, rights and counts by person."""

    feed: int
    now: str
    changed: Mapping[UUID, int]
    watches: Mapping[UUID, Watch]
    counts: Mapping[UUID, int]
    sessions: frozenset[str]  # those that are not over


class Follower:
    """One task for all pages of this event loop: heartbeats, the feed, and everybody's rights."""

    def __init__(self) -> None:
        self.board = Board()
        self.pages: set[OpenPage] = set()
        self.feed: int | None = None
        self._task: asyncio.Task[None] | None = None

    def join(self, page: OpenPage) -> None:
        self.pages.add(page)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def leave(self, page: OpenPage) -> None:
        self.pages.discard(page)
        if not self.pages and self._task is not None:
            task, self._task, self.feed = self._task, None, None
            if task is not asyncio.current_task():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _run(self) -> None:
        while self.pages:
            await asyncio.sleep(BEAT)
            try:
                await self.beat()
            except Exception:
                # Pages that hear no heartbeat poll by themselves.
                log.exception("heartbeat failed")

    async def beat(self) -> None:
        """Look once, and tell every page what concerns it."""
        people = {page.user_id for page in self.pages}
        sessions = {page.session_key for page in self.pages}
        beat = await database_sync_to_async(read_heartbeat)(people, self.feed, sessions)
        self.feed = beat.feed
        for page in list(self.pages):
            try:
                await page.beat(beat)
            except Exception:
                log.exception("a page could not be told")
                await self.leave(page)


def read_heartbeat(people: Iterable[UUID], since: int | None, sessions: Iterable[str]) -> Heartbeat:
    """Everything a heartbeat needs, for all people together."""
    feed = seal.feed()
    changed: dict[UUID, int] = {}
    if since is not None and feed > since:
        sealed = AuditEvent.objects.filter(seal__number__gt=since, seal__number__lte=feed).order_by("-seal__number")
        for pk, seq in sealed.values_list("approval_id", "seq")[: MOST * 10]:
            changed.setdefault(pk, seq)
    rights = watches(people)
    counted: dict[object, int] = {}
    counts = {}
    for pk, watch in rights.items():
        key = (watch.queues, watch.authority.operates)
        if key not in counted:
            waiting = access.waiting_of(User(pk=pk), watch.authority)
            counted[key] = count_of(waiting)
        counts[pk] = counted[key]
    now = times.now()
    return Heartbeat(feed, now.isoformat(), changed, rights, counts, in_force(sessions))


def in_force(keys: Iterable[str]) -> frozenset[str]:
    """Those of these sessions that are not over, and that no change of the password ended."""
    rows = Session.objects.filter(session_key__in=set(keys), expire_date__gt=times.now())
    stored = {row.session_key: SessionStore().decode(row.session_data) for row in rows}
    people = User.objects.in_bulk({data[SESSION_KEY] for data in stored.values() if SESSION_KEY in data})
    signs = {str(pk): user.get_session_auth_hash() for pk, user in people.items() if user.is_active}
    return frozenset(
        key
        for key, data in stored.items()
        if data.get(HASH_SESSION_KEY) and signs.get(str(data.get(SESSION_KEY))) == data[HASH_SESSION_KEY]
    )


_followers: WeakKeyDictionary[asyncio.AbstractEventLoop, Follower] = WeakKeyDictionary()


def follower() -> Follower:
    """The follower of the running event loop."""
    return _followers.setdefault(asyncio.get_running_loop(), Follower())


def concerned(ids: Iterable[UUID], watch: Watch) -> set[UUID]:
    """Which of these approvals a page may hear of, now or because they were in its queues before."""
    approvals = Approval.objects.filter(pk__in=list(ids)).only(
        "pk", "tier_id", "tiers_visited", "queues_visited", "domain_id", "agent_id", "kind"
    )
    return {
        approval.pk
        for approval in approvals
        if (approval.agent_id in watch.authority.operates and approval.kind not in DISGUISED)
        or not watch.queues.isdisjoint(approval.queues_so_far)
    }
