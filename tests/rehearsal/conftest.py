"""A draft, and who publishes it. Ada administers, Eve does, too; every tier has somebody."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from approvals.admin.rehearsals import why_text
from approvals.models import ActionType, PolicyVersion, Rule, User
from approvals.people import roles
from approvals.policy.authoring import versions
from approvals.policy.authoring.rehearsal import Period, RehearsalPart, rehearse
from approvals.policy.authoring.rehearsed_routes import RouteDifference
from approvals.policy.reasons import as_json


def why_of(moved: RouteDifference) -> str:
    """What the page says of a movement."""
    return why_text(moved.kind, as_json(moved.why))


@pytest.fixture
def admins(person) -> Callable[[str], User]:
    def make(name: str) -> User:
        made = person(name, is_staff=True)
        made.groups.add(Group.objects.get(name=roles.ADMINS))
        return made

    return make


@pytest.fixture
def ada(admins) -> User:
    return admins("ada")


@pytest.fixture
def eve(admins) -> User:
    return admins("eve")


@pytest.fixture
def staffed_refunds(alice, bob, carol, refunds) -> ActionType:
    """Refunds, which always ask, and somebody in every tier."""
    return refunds


@pytest.fixture
def change_action_type() -> Callable[..., versions.Draft]:
    """Change the action type in the tables, as a save in the admin does: change(tier_id=2)."""

    def make(name: str = "refund", **columns: object) -> versions.Draft:
        ActionType.objects.filter(name=name).update(**columns)
        return versions.draft()

    return make


@pytest.fixture
def rule() -> Callable[..., Rule]:
    """Write a rule of refunds: rule("value > 100.0", effect="block")."""

    def make(when: str, *, name: str = "big", type: str | None = "refund", **columns: object) -> Rule:
        columns = {"effect": "review", "message": "It is big.", **columns}
        return Rule.objects.create(name=name, action_type_id=type, expression=when, **columns)

    return make


@pytest.fixture
def publish(ada) -> Callable[..., PolicyVersion]:
    """Have Ada publish what the tables say."""

    def make(note: str = "as written") -> PolicyVersion:
        version = versions.publish(by=ada, note=note, digest=versions.draft().digest)
        assert version is not None
        return version

    return make


@pytest.fixture
def rehearse_draft() -> Callable[..., RehearsalPart]:
    """Rehearse the draft on all there is."""

    def make(**period: object) -> RehearsalPart:
        draft = versions.draft()
        assert draft.base is not None
        return rehearse(draft.base.snapshot, draft.snapshot, Period(**period))

    return make


@pytest.fixture
def desk(as_, ada, staffed_refunds) -> Client:
    """Ada's browser."""
    return as_(ada)
