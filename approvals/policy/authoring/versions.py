"""Drafts and versions of policy: changes collect in the tables and are published as a whole.

Where two must agree (ASSENT_SECOND_PUBLISHER), one admin asks and another publishes exactly what was asked for. All
of it happens under the lock of `snapshot.alone()`: what is published is what its author was looking at, or nothing.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from approvals.db import times
from approvals.models import ActionType, PolicyVersion, PublishRequest, User
from approvals.policy import retired_domains, snapshot
from approvals.policy.authoring import documents, files, tables, validation
from approvals.policy.authoring.coverage import Gap, ReviewerRoster, gaps_of
from approvals.policy.authoring.differences import PolicyChange, changes, location_of
from approvals.policy.authoring.documents import snapshot_of_tables
from approvals.policy.authoring.fields import Row
from approvals.policy.snapshot import NoPolicy

LOOK_BACK = 200  # earlier versions in which a gap is looked for


class NotPublished(Exception):
    """What was asked for cannot be; the sentences say why, and what to do."""

    def __init__(self, *sentences: str) -> None:
        super().__init__(" ".join(sentences))
        self.sentences = sentences


class DraftChanged(NotPublished):
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
    def changes(self) -> list[PolicyChange]:
        """What differs from the version in force, in words."""
        return changes(self.base.snapshot if self.base else EMPTY, self.snapshot)

    @property
    def differs(self) -> bool:
        return self.base is None or self.base.digest != self.digest

    @cached_property
    def obstacles(self) -> list[str]:
        """Why it cannot be published, each with its mend. A gap in the staff that is or was in force is no reason."""
        sentences = []
        for fault in validation.faults(self.snapshot):
            location = location_of(fault, self.snapshot)
            sentences.append(f"{location}: {fault.message}" if location else fault.message)
        sentences += retired_domains.retired_domain_complaints(self.snapshot)
        return sentences or sorted(str(gap) for gap in self._gaps - self._gaps_before)

    @cached_property
    def gaps_again(self) -> list[str]:
        """Gaps in the staff that an earlier version had as well, so that they may come back: nobody answers there."""
        return sorted(str(gap) for gap in self._gaps & self._gaps_before)

    @cached_property
    def _roster(self) -> ReviewerRoster:
        return ReviewerRoster()

    @cached_property
    def _gaps(self) -> frozenset[Gap]:
        """Gaps that the policy in force does not have."""
        there = gaps_of(self.base.snapshot, self._roster) if self.base else frozenset()
        return gaps_of(self.snapshot, self._roster) - there

    @cached_property
    def _gaps_before(self) -> frozenset[Gap]:
        """Those of them that some earlier version had; the latest LOOK_BACK are looked at, until all are found."""
        earlier_gaps: frozenset[Gap] = frozenset()
        if not self._gaps or self.base is None:
            return earlier_gaps
        past = PolicyVersion.objects.filter(number__lt=self.base.number).values_list("snapshot", flat=True)
        for snapshot_then in past[:LOOK_BACK].iterator(chunk_size=10):
            earlier_gaps |= gaps_of(snapshot_then, self._roster)
            if earlier_gaps >= self._gaps:
                break
        return earlier_gaps


EMPTY: Row = {"types": {}, "rules": [], "tiers": {}, "rates": {}}


def draft() -> Draft:
    """What the tables say now, beside what is in force."""
    table_snapshot = snapshot_of_tables()
    return Draft(PolicyVersion.objects.first(), table_snapshot, documents.digest(table_snapshot))


def open_publish_request() -> PublishRequest | None:
    """The open request that a second admin publishes, whether or not the draft is still what it was."""
    return PublishRequest.objects.filter(open=True).select_related("requested_by").first()


@transaction.atomic
def publish(*, by: User, note: str, digest: str) -> PolicyVersion | None:
    """Put the draft in force, as its author saw it (`digest`); None when now a second admin must agree.

    Another admin who publishes what was asked for agrees to it, with the note of who asked unless giving an own one.
    Raises NotPublished.
    """
    snapshot.lock_policy_tables()
    current_draft = draft()
    publish_request = open_publish_request()
    if current_draft.digest != digest:
        raise DraftChanged
    if not current_draft.differs:
        raise NotPublished(_("Nothing differs from the policy in force."))
    if current_draft.obstacles:
        raise NotPublished(*current_draft.obstacles)
    if publish_request is not None and publish_request.digest != digest:
        _close(publish_request, by)
        publish_request = None
    agrees = publish_request is not None and publish_request.requested_by_id != by.pk
    note = note.strip() or (publish_request.note if publish_request is not None and agrees else "")
    if not note:
        raise NotPublished(_("Say in the note what changes and why: it stands in the list of versions for good."))
    if settings.ASSENT_SECOND_PUBLISHER and not agrees:
        if publish_request is not None:
            raise NotPublished(_("You asked for this yourself; another admin publishes it."))
        PublishRequest.objects.create(digest=digest, note=note[:300], requested_by=by, requested_at=times.now())
        return None
    version = snapshot.publish(by=by, note=note)
    if publish_request is not None:
        _close(publish_request, by, version if agrees else None)
    return version


@transaction.atomic
def withdraw(*, by: User) -> None:
    """Take back the open request, one's own or, as an answer, another's. Raises NotPublished when there is none."""
    snapshot.lock_policy_tables()
    publish_request = open_publish_request()
    if publish_request is None:
        raise NotPublished(_("Nobody asks for anything to be published."))
    _close(publish_request, by)


@transaction.atomic
def discard(*, by: User, digest: str) -> list[PolicyChange]:
    """Take the draft back to the version in force; returns what was given up. Raises NotPublished."""
    snapshot.lock_policy_tables()
    current_draft = draft()
    if current_draft.digest != digest:
        raise DraftChanged
    if current_draft.base is None:
        raise NotPublished(_("No policy was published yet; there is nothing to go back to."))
    tables.restore(current_draft.base.snapshot)
    if publish_request := open_publish_request():
        _close(publish_request, by)
    return current_draft.changes


@transaction.atomic
def restore_version(number: int) -> Draft:
    """Make what version `number` said the draft, to be read, rehearsed and published like any other.

    Raises NotPublished where a draft would be lost; NoPolicy when there is no such version.
    """
    snapshot.lock_policy_tables()
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
def draft_threshold(type: ActionType, threshold: Decimal) -> None:
    """Let an action type pass from this threshold on, in the draft; nothing of it is in force until it is published."""
    snapshot.lock_policy_tables()
    ActionType.objects.filter(pk=type.pk).update(auto_threshold=threshold)


@transaction.atomic
def import_file(text: str) -> Draft:
    """Make what a file says the draft: all of it, or added to what is there. Raises NotPublished, files.BadFile.

    Nothing of a file that could not be published is taken in, staffing aside: who is missing is said of the draft.
    """
    snapshot.lock_policy_tables()
    file = files.read(text)
    before = draft()
    if before.base is not None and before.differs:
        count = len(before.changes)
        raise NotPublished(_("%(count)d changes are not in force: publish or discard them first.") % {"count": count})
    for name, row in file.snapshot["types"].items():
        row["schema_version"] = tables.schema_version(name, row["schema"], row["schema_version"])
    after = file.snapshot if file.whole else _merged_snapshot(before.snapshot, file.snapshot)
    earlier_faults = set() if file.whole else set(validation.faults(before.snapshot))
    wrong = [fault for fault in validation.faults(after) if fault not in earlier_faults]
    if wrong:
        raise files.BadFile([f"{location_of(fault, after)}: {fault.message}" for fault in wrong])
    if file.whole:
        tables.restore(after, file.domains)
    else:
        tables.merge(file.snapshot, file.domains)
    return draft()


def _merged_snapshot(before: Row, named: Row) -> Row:
    """What the tables say when a file that names only this was added to them; rules that they have stay."""
    types = dict(before["types"])
    for name, row in named["types"].items():
        types[name] = {**row, "rules": _merged_rules(types.get(name, {}).get("rules", []), row["rules"])}
    return {
        "types": types,
        "rules": _merged_rules(before["rules"], named["rules"]),
        "tiers": before["tiers"] | named["tiers"],
        "rates": before["rates"] | named["rates"],
    }


def _merged_rules(before: list[Row], named: list[Row]) -> list[Row]:
    rules = {row["name"]: row for row in [*before, *named]}
    return [rules[name] for name in sorted(rules)]


def _close(publish_request: PublishRequest, by: User, version: PolicyVersion | None = None) -> None:
    publish_request.open, publish_request.closed_by, publish_request.closed_at, publish_request.version = (
        False,
        by,
        times.now(),
        version,
    )
    publish_request.save(update_fields=["open", "closed_by", "closed_at", "version"])
