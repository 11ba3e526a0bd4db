"""What a card showed of an approval: everything that leaves from the card is bound to it."""

import re
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from approvals.models import Approval

_VERSION = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,5})\.(sha256:[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class CardVersion:
    """An approval as a person's card showed it: a verdict on anything else is refused."""

    id: UUID
    revision: int
    round: int
    digest: str
    stage: int = 0

    @classmethod
    def read(cls, approval_id: UUID, version: str) -> Self:
        """What a card in this version of the approval showed (`Approval.version`). Raises ValueError."""
        parts = _VERSION.fullmatch(version)
        if parts is None:
            raise ValueError("no version of a card")
        revision, round_, stage, digest = parts.groups()
        return cls(approval_id, int(revision), int(round_), digest, int(stage))


def card_version_of(approval: Approval) -> CardVersion:
    """The approval as a card shows it now."""
    return CardVersion(approval.pk, approval.revision, approval.round, approval.digest, approval.stage)


def load(approval_id: UUID) -> Approval:
    """An approval with what deciding and showing it reads. Raises Approval.DoesNotExist."""
    return Approval.objects.select_related("request", "proposal", "tier", "action_type", "agent").get(pk=approval_id)
