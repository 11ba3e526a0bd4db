"""How a change of policy comes into force: it collects in the tables as a draft, and is published as a whole.

Where two must agree (ASSENT_SECOND_PUBLISHER), one admin asks and another publishes exactly what was asked for. All
of it happens under the lock of `snapshot.alone()`: what is published is what its author was looking at, or nothing.
"""

from dataclasses import dataclass, field
from functools import cached_property

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from approvals import times
from approvals.models import PolicyVersion, PublishRequest, User
from approvals.policy import checks, files, retired, rows, snapshot, tables
from approvals.policy.changes import Change, changes, place_of
from approvals.policy.rows import Row, snapshot_of_tables
from approvals.policy.snapshot import NoPolicy
from approvals.policy.staffing import Gap, Roster, gaps_of

LOOK_BACK = 200  # earlier versions in which a gap is looked for


class NotPublished(Exception):
    """What was asked for cannot be; the sentences say why, and what to do."""

    def __init__(self, *sentences: str) -> None:
        super().__init__(" ".join(sentences))
        self.sentences = sentences


class DraftMoved(NotPublished):
    """Somebody changed the draft since it was looked at."""

    def __init__(self) -> None:
        super().__init__(_("The draft was changed since you looked at it. Read it once more, then decide."))


@dataclass(frozen=True)
class Draft:
    """What the tables say, beside the version in force (None: nothing was ever published)."""

    base: PolicyVersion | None
    snapshot: Row = field(repr=False)
    digest: str

    @cached_property
    def changes(self) -> list[Change]:
        """What differs from the version in force, in words."""
        return changes(self.base.snapshot if self.base else EMPTY, self.snapshot)

    @property
    def differs(self) -> bool:
        return self.base is None or self.base.digest != self.digest

    @cached_property
    def obstacles(self) -> list[str]:
        """Why it cannot be published, each with its mend. A gap in the staff that is or was in force is no reason."""
        said = []
        for fault in checks.faults(self.snapshot):
            place = place_of(fault, self.snapshot)
            said.append(f"{place}: {fault.message}" if place else fault.message)
        said += retired.led_to(self.snapshot)
        return said or sorted(str(gap) for gap in self._gaps - self._gaps_before)

    @cached_property
    def gaps_again(self) -> list[str]:
        """Gaps in the staff that an earlier version had as well, so that they may come back: nobody answers there."""
        return sorted(str(gap) for gap in self._gaps & self._gaps_before)

    @cached_property
    def _roster(self) -> Roster:
        return Roster()

    @cached_property
    def _gaps(self) -> frozenset[Gap]:
        """Gaps that the policy in force does not have."""
        there = gaps_of(self.base.snapshot, self._roster) if self.base else frozenset()
        return gaps_of(self.snapshot, self._roster) - there

    @cached_property
    def _gaps_before(self) -> frozenset[Gap]:
        """Those of them that some earlier version had; the latest LOOK_BACK are looked at, until all are found."""
        found: frozenset[Gap] = frozenset()
        if not self._gaps or self.base is None:
            return found
        past = PolicyVersion.objects.filter(number__lt=self.base.number).values_list("snapshot", flat=True)
        for snapshot_then in past[:LOOK_BACK].iterator(chunk_size=10):
            found |= gaps_of(snapshot_then, self._roster)
            if found >= self._gaps:
                break
        return found


EMPTY: Row = {"types": {}, "rules": [], "tiers": {}, "rates": {}}


def draft() -> Draft:
    """What the tables say now, beside what is in force."""
    said = snapshot_of_tables()
    return Draft(PolicyVersion.objects.first(), said, rows.digest(said))


def request() -> PublishRequest | None:
    """The open request that a second admin publishes, whether or not the draft is still what it was."""
    return PublishRequest.objects.filter(open=True).select_related("requested_by").first()


@transaction.atomic
def publish(*, by: User, note: str, digest: str) -> PolicyVersion | None:
    """Put the draft in force, as its author saw it (`digest`); None when now a second admin must agree.

    Another admin who publishes what was asked for agrees to it, with the note of who asked unless giving an own one.
    Raises NotPublished.
    """
    snapshot.alone()
    found = draft()
    asked = request()
    if found.digest != digest:
        raise DraftMoved
    if not found.differs:
        raise NotPublished(_("Nothing differs from the policy in force."))
    if found.obstacles:
        raise NotPublished(*found.obstacles)
    if asked is not None and asked.digest != digest:
        _close(asked, by)
        asked = None
    agrees = asked is not None and asked.requested_by_id != by.pk
    note = note.strip() or (asked.note if asked is not None and agrees else "")
    if not note:
        raise NotPublished(_("Say in the note what changes and why: it stands in the list of versions for good."))
    if settings.ASSENT_SECOND_PUBLISHER and not agrees:
        if asked is not None:
            raise NotPublished(_("You asked for this yourself; another admin publishes it."))
        PublishRequest.objects.create(digest=digest, note=note[:300], requested_by=by, requested_at=times.now())
        return None
    version = snapshot.publish(by=by, note=note)
    if asked is not None:
        _close(asked, by, version if agrees else None)
    return version


@transaction.atomic
def withdraw(*, by: User) -> None:
    """Take back the open request, one's own or, as an answer, another's. Raises NotPublished when there is none."""
    snapshot.alone()
    asked = request()
    if asked is None:
        raise NotPublished(_("Nobody asks for anything to be published."))
    _close(asked, by)


@transaction.atomic
def discard(*, by: User, digest: str) -> list[Change]:
    """Take the draft back to the version in force; returns what was given up. Raises NotPublished."""
    snapshot.alone()
    found = draft()
    if found.digest != digest:
        raise DraftMoved
    if found.base is None:
        raise NotPublished(_("No policy was published yet; there is nothing to go back to."))
    tables.restore(found.base.snapshot)
    if asked := request():
        _close(asked, by)
    return found.changes


@transaction.atomic
def go_back(number: int) -> Draft:
    """Make what version `number` said the draft, to be read, rehearsed and published like any other.

    Raises NotPublished where a draft would be lost; NoPolicy when there is no such version.
    """
    snapshot.alone()
    version = PolicyVersion.objects.filter(number=number).first()
    if version is None:
        raise NoPolicy
    if (pending := draft()).differs:
        count = len(pending.changes)
        raise NotPublished(_("%(count)d changes are not in force: publish or discard them first.") % {"count": count})
    tables.restore(version.snapshot)
    after = draft()
    if not after.differs:
        raise NotPublished(_("%(version)s is what is in force.") % {"version": version})
    return after


@transaction.atomic
def take_in(text: str) -> Draft:
    """Make what a file says the draft: all of it, or added to what is there. Raises NotPublished, files.BadFile.

    Nothing of a file that could not be published is taken in, staffing aside: who is missing is said of the draft.
    """
    snapshot.alone()
    file = files.read(text)
    before = draft()
    if before.base is not None and before.differs:
        count = len(before.changes)
        raise NotPublished(_("%(count)d changes are not in force: publish or discard them first.") % {"count": count})
    for name, row in file.snapshot["types"].items():
        row["schema_version"] = tables.schema_version(name, row["schema"], row["schema_version"])
    after = file.snapshot if file.whole else _over(before.snapshot, file.snapshot)
    known = set() if file.whole else set(checks.faults(before.snapshot))
    wrong = [fault for fault in checks.faults(after) if fault not in known]
    if wrong:
        raise files.BadFile([f"{place_of(fault, after)}: {fault.message}" for fault in wrong])
    if file.whole:
        tables.restore(after, file.domains)
    else:
        tables.merge(file.snapshot, file.domains)
    return draft()


def _over(before: Row, named: Row) -> Row:
    """What the tables say when a file that names only this was added to them; rules that they have stay."""
    types = dict(before["types"])
    for name, row in named["types"].items():
        types[name] = {**row, "rules": _beside(types.get(name, {}).get("rules", []), row["rules"])}
    return {
        "types": types,
        "rules": _beside(before["rules"], named["rules"]),
        "tiers": before["tiers"] | named["tiers"],
        "rates": before["rates"] | named["rates"],
    }


def _beside(before: list[Row], named: list[Row]) -> list[Row]:
    rules = {row["name"]: row for row in [*before, *named]}
    return [rules[name] for name in sorted(rules)]


def _close(asked: PublishRequest, by: User, version: PolicyVersion | None = None) -> None:
    asked.open, asked.closed_by, asked.closed_at, asked.version = False, by, times.now(), version
    asked.save(update_fields=["open", "closed_by", "closed_at", "version"])
