"""How much may wait, set up under a tier: in words among the changes, refused where it is wrong."""

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.messages import get_messages
from django.db import IntegrityError, transaction

from approvals.models import Capacity, Rehearsal, Tier
from approvals.policy import snapshot
from approvals.policy.authoring import files, rehearsal, validation, versions
from approvals.policy.authoring.rehearsal import Period

TIER = "/admin/approvals/tier/{}/change/"


@pytest.fixture
def desk(as_, admin, refunds, alice, bob, carol):
    return as_(admin)


def row(number=0, **columns):
    facts = {"domain": "", "limit": "", "when_full": "queue", "when_empty": "queue", **columns}
    return {f"capacities-{number}-{name}": value for name, value in facts.items()}


def rows(*capacities):
    return {
        "capacities-TOTAL_FORMS": len(capacities),
        **{k: v for n, one in enumerate(capacities) for k, v in row(n, **one).items()},
    }


def changes():
    return [str(one) for one in versions.draft().changes]


def test_it_is_a_draft_said_in_words(desk, save):
    answer = save(desk, TIER.format(1), **rows({"domain": "commerce", "limit": 200, "when_full": "reject"}))

    assert answer.status_code == 302
    assert changes() == [
        "1 · Frontline, commerce: may wait any number → 200",
        "1 · Frontline, commerce: when full It waits all the same → It is refused, and the agent told to come back",
    ]
    assert snapshot.current().tiers[1].capacity("commerce").limit is None
    snapshot.publish(by=None, note="limits")
    Capacity.objects.update(limit=100)
    assert changes() == ["1 · Frontline, commerce: may wait 200 → 100"]
    Capacity.objects.update(limit=200, domain=None)
    assert changes()[0] == "1 · Frontline, every domain: may wait any number → 200"


@pytest.mark.parametrize(
    ("columns", "mend"),
    [
        ({"limit": 0}, "least one may wait"),
        ({"limit": 20_000}, "Nobody works through more than 10,000"),
        ({"when_full": "pass"}, "A queue without a limit is never full"),
        ({"limit": 5, "domain": "nowhere"}, "Select a valid choice"),
    ],
)
def test_what_is_wrong_is_refused_beside_the_field(desk, save, columns, mend):
    answer = save(desk, TIER.format(1), **rows(columns))

    assert mend in answer.content.decode()
    assert not Capacity.objects.exists()


def test_two_rows_of_one_queue_are_refused(desk, save, refunds):
    for domain in ("", "commerce"):
        answer = save(desk, TIER.format(1), **rows({"limit": 5, "domain": domain}, {"limit": 6, "domain": domain}))
        assert answer.status_code == 200
    assert (
        "There are two rows for this queue"
        in save(desk, TIER.format(1), **rows({"limit": 5}, {"limit": 6})).content.decode()
    )
    assert not Capacity.objects.exists()
    with pytest.raises(IntegrityError), transaction.atomic():
        Capacity.objects.create(tier_id=1, limit=0)
    Capacity.objects.create(tier_id=1, limit=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        Capacity.objects.create(tier_id=1, limit=2)


FILE = """
domain = {{ slug = "commerce", name = "Commerce" }}
[rates]
EUR = "1"
[[tier]]
level = 1
name = "One"
sla = "1h"
hold = "5s"
claim = "10m"
[[tier.capacity]]
{capacity}
"""


@pytest.mark.parametrize(
    ("capacity", "mend"),
    [
        ("limit = 20000", "more than 10,000"),
        ('when_full = "reject"', "never full"),
        ("limit = 5\n[[tier.capacity]]\nlimit = 6", "two rows for this queue"),
        ("limit = 0", "limit"),
        ('domain = "nowhere"\nlimit = 5', "nowhere"),
    ],
)
def test_a_file_is_refused_with_the_same_words(capacity, mend, db):
    try:
        read = files.read(FILE.format(capacity=capacity))
        messages = [fault.message for fault in validation.faults(read.snapshot)]
    except files.BadFile as bad:
        messages = [str(bad)]
    assert any(mend in sentence for sentence in messages), messages


def test_a_rehearsal_moves_nothing_by_it(desk, propose):
    """How full a queue was then is not known: a limit is rehearsed as if there were room."""
    propose()
    before = snapshot.snapshot_of_tables()
    Capacity.objects.create(tier_id=1, limit=1, when_full="reject", when_empty="reject")
    rehearsal_result = rehearsal.rehearse(before, snapshot.snapshot_of_tables(), Period())

    assert (rehearsal_result.examined, rehearsal_result.moved) == (1, [])
    assert not Rehearsal.objects.exists()


def deactivate(desk, user):
    data = {"starts_at_0": "2020-01-01", "starts_at_1": "00:00:00", "ends_at_0": "2040-01-01", "ends_at_1": "00:00:00"}
    answer = desk.post("/admin/approvals/absence/add/", {"user": str(user.pk), "delegate": "", **data})
    return " ".join(str(one) for one in get_messages(answer.wsgi_request))


def test_a_queue_in_which_nobody_ever_is_on_duty_is_warned_of(desk, alice):
    assert "In tier 1 commerce nobody is on duty in the coming fortnight" in deactivate(desk, alice)


@pytest.mark.parametrize("has_one", [False, True])
def test_a_tier_that_demands_a_factor_which_too_few_have_is_warned_of(desk, save, bob, has_one):
    if has_one:
        Authenticator.objects.create(user=bob, type="totp", data={"secret": "none"})
    answer = save(desk, TIER.format(2), second_factor="on")
    shown_messages = " ".join(str(message) for message in get_messages(answer.wsgi_request))

    assert Tier.objects.get(pk=2).second_factor
    warned = (
        "Tier 2 demands a second factor, and of the reviewers of commerce 0 have one; 1 are needed." in shown_messages
    )
    assert warned is not has_one


def test_where_it_is_said_what_happens_then_nobody_is_warned(desk, alice):
    Capacity.objects.create(tier_id=1, when_empty="reject")

    assert "nobody is on duty" not in deactivate(desk, alice)
