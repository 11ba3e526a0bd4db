"""Working hours, duty, absences and whom a word reaches: each wrong setting is refused with its mend."""

from datetime import time, timedelta

import pytest
from django.contrib.messages import get_messages
from django.db import IntegrityError, transaction

from approvals.db import times
from approvals.models import Absence, DomainTerms, Membership, Tier, User
from approvals.policy.authoring import coverage, validation, versions
from approvals.policy.authoring.documents import snapshot_of_tables

TIER = "/admin/approvals/tier/{}/change/"
PERSON = "/admin/approvals/user/{}/change/"
ABSENCE = "/admin/approvals/absence/add/"
OPEN = {"working": "on", "opens": "09:00", "closes": "17:00", "workdays": ["1", "2"], "time_zone": "Europe/Vienna"}
DAY = timedelta(days=1)


@pytest.fixture
def desk(as_, admin, refunds, alice, bob, carol):
    return as_(admin)


# --- Working hours


def test_hours_are_set_as_boxes_and_a_list_and_read_as_a_change_in_words(desk, save):
    page = desk.get(TIER.format(1)).content.decode()
    assert page.count('name="workdays"') == 7 and "Mon" in page
    assert '<option value="Europe/Vienna"' in page

    assert save(desk, TIER.format(1), **OPEN).status_code == 302
    tier = Tier.objects.get(pk=1)
    assert (tier.working, tier.opens, tier.closes, tier.workdays) == (True, time(9), time(17), [1, 2])
    changes = [str(change) for change in versions.draft().changes]
    assert "1 · Frontline: only working hours count no → yes" in changes
    assert "1 · Frontline: working hours from nothing → 09:00" in changes
    assert "1 · Frontline: working days Mon, Tue, Wed, Thu, Fri → Mon, Tue" in changes


def of_domain(number=0, **fields):
    facts = {"domain": "commerce", "ceiling": "", "sla": "00:05:00", "opens": "", "closes": "", "time_zone": "UTC"}
    return {f"terms-{number}-{name}": value for name, value in {**facts, **fields}.items()}


def test_a_domain_gets_terms_of_its_own_under_the_tier(desk, save):
    night = {"working": "on", "opens": "22:00", "closes": "06:00", "workdays": ["5", "6"], "ceiling": "900"}

    answer = save(desk, TIER.format(1), **{"terms-TOTAL_FORMS": 1, **of_domain(**night)})

    assert answer.status_code == 302
    terms = DomainTerms.objects.get()
    assert (terms.tier_id, terms.domain_id, terms.ceiling, terms.sla) == (1, "commerce", 900, timedelta(minutes=5))
    assert (terms.opens, terms.closes, terms.workdays) == (time(22), time(6), [5, 6])
    changes = [str(change) for change in versions.draft().changes]
    assert "1 · Frontline, commerce: answer within 15 min → 5 min" in changes
    assert "1 · Frontline, commerce: working hours until nothing → 06:00" in changes


@pytest.mark.parametrize(
    ("fields", "mend"),
    [
        ({"sla": "0"}, "give it more than nothing"),
        ({"ceiling": "-1"}, "A ceiling is above 0"),
        ({"ceiling": "60000"}, "In commerce: The ceilings overlap"),
        ({"working": "on", "opens": "08:00"}, "say from when until when"),
    ],
)
def test_terms_that_cannot_be_kept_are_refused(desk, save, refused, fields, mend):
    assert mend in refused(save(desk, TIER.format(1), **{"terms-TOTAL_FORMS": 1, **of_domain(**fields)}))
    assert not DomainTerms.objects.exists()


def test_a_domain_has_one_set_of_terms_in_a_tier(desk, save):
    answer = save(
        desk, TIER.format(1), **{"terms-TOTAL_FORMS": 2, **of_domain(ceiling="5000"), **of_domain(1, ceiling="5000")}
    )

    assert "There are two rows for this queue" in answer.content.decode()
    assert not DomainTerms.objects.exists()


def test_a_new_highest_tier_ends_the_one_below_in_every_domain(desk, save, tiers, commerce, person):
    DomainTerms.objects.create(tier=tiers[3], domain=commerce, sla=timedelta(hours=1))
    dana = person("dana")

    answer = save(
        desk,
        "/admin/approvals/tier/add/",
        **{
            "level": "4",
            "name": "Board",
            "ceiling_below": "90000",
            "sla": "08:00:00",
            "hold": "0",
            "claim": "00:10:00",
        },
        **{"memberships-TOTAL_FORMS": 1, "memberships-0-user": dana.pk, "memberships-0-duty_days": []},
    )

    assert answer.status_code == 302
    assert DomainTerms.objects.get().ceiling == 90_000


@pytest.mark.parametrize(
    ("fields", "mend"),
    [
        ({"workdays": []}, "choose at least one day, or let all hours count"),
        ({"opens": ""}, "say from when until when, or let all hours count"),
        ({"closes": ""}, "say from when until when, or let all hours count"),
        ({"closes": "09:00"}, "No time lies between the two"),
        ({"workdays": ["8"]}, "Select a valid choice"),
        ({"time_zone": "Mars/Olympus"}, "There is no time zone “Mars/Olympus”; choose one of the list"),
        ({"sla": "91 00:00:00"}, "At most 90 days"),
        ({"sla": "0"}, "give it more than nothing"),
        ({"next": "1"}, "1 → 1"),
    ],
)
def test_hours_that_no_clock_could_keep_are_refused(desk, save, refused, fields, mend):
    assert mend in refused(save(desk, TIER.format(1), **{**OPEN, **fields}))
    assert not Tier.objects.get(pk=1).working


def test_a_tier_that_is_switched_off_is_nobodys_next(desk, save, refused):
    complaint = refused(save(desk, TIER.format(2), active=[]))

    assert "There is no active tier 2; choose one of 1, 3." in complaint
    assert Tier.objects.get(pk=2).active


@pytest.mark.parametrize(
    "columns",
    [
        {"working": True},
        {"working": True, "opens": time(9)},
        {"working": True, "opens": time(9), "closes": time(9)},
        {"working": True, "opens": time(9), "closes": time(10), "workdays": []},
        {"workdays": [0]},
        {"workdays": [8]},
    ],
)
def test_the_database_refuses_hours_that_are_none(columns, tiers):
    with pytest.raises(IntegrityError), transaction.atomic():
        Tier.objects.filter(pk=1).update(**columns)


@pytest.mark.parametrize(
    ("columns", "mend"),
    [
        ({"working": True}, "say from when until when"),
        ({"working": True, "opens": "10:00", "closes": "10:00"}, "No time lies between the two"),
        ({"working": True, "opens": "09:00", "closes": "10:00", "workdays": []}, "choose at least one day"),
        ({"time_zone": "Europe/Viena"}, "name one such as Europe/Vienna"),
    ],
)
def test_a_file_with_such_hours_is_refused_too(columns, mend, refunds, alice, bob, carol):
    snapshot = snapshot_of_tables()
    snapshot["tiers"]["1"] |= columns

    assert mend in " ".join(fault.message for fault in validation.faults(snapshot))


# --- Duty


def membership_row(user, tier=2, **fields):
    return {
        "memberships-TOTAL_FORMS": 1,
        "memberships-0-user": user.pk,
        "memberships-0-tier": tier,
        "memberships-0-domain": "commerce",
        **{f"memberships-0-{name}": value for name, value in fields.items()},
    }


def test_duty_is_set_where_the_membership_is(desk, save, bob):
    page = desk.get(PERSON.format(bob.pk)).content.decode()
    assert page.count('name="memberships-0-duty_days"') == 7

    form = membership_row(bob, duty_from="22:00", duty_until="06:00", duty_days=["5", "6"])
    assert save(desk, PERSON.format(bob.pk), **form).status_code == 302
    row = bob.memberships.get()
    assert (row.duty_from, row.duty_until, row.duty_days) == (time(22), time(6), [5, 6])
    assert save(desk, PERSON.format(bob.pk), first_name="Robert").status_code == 302
    row.refresh_from_db()
    assert row.duty_days == [5, 6]


@pytest.mark.parametrize(
    ("fields", "mend"),
    [
        ({"duty_from": "09:00"}, "say both, or leave both empty"),
        ({"duty_until": "09:00"}, "say both, or leave both empty"),
        ({"duty_from": "09:00", "duty_until": "09:00"}, "For the whole day leave both empty"),
        ({"duty_days": ["9"]}, "Select a valid choice"),
    ],
)
def test_duty_that_is_no_time_is_refused(desk, save, bob, fields, mend):
    page = save(desk, PERSON.format(bob.pk), **membership_row(bob, **fields))

    assert page.status_code == 200
    assert mend in page.content.decode()
    assert bob.memberships.get().duty_from is None


@pytest.mark.parametrize(
    "columns", [{"duty_from": time(9)}, {"duty_from": time(9), "duty_until": time(9)}, {"duty_days": [0]}]
)
def test_the_database_refuses_duty_that_is_no_time(columns, bob):
    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.filter(user=bob).update(**columns)


# --- Absences


def absence_form(user, delegate=None, **fields):
    return {
        "user": user.pk,
        "delegate": delegate.pk if delegate else "",
        "starts_at_0": "2099-12-24",
        "starts_at_1": "08:00",
        "ends_at_0": "2099-12-27",
        "ends_at_1": "08:00",
        **fields,
    }


@pytest.mark.parametrize("who", ["admin", "root"])
def test_nobody_stands_in_by_their_own_word(who, request, as_, save, refused, bob, carol):
    me = request.getfixturevalue(who)

    assert "Nobody stands in for others by their own word" in refused(save(as_(me), ABSENCE, **absence_form(bob, me)))
    assert not Absence.objects.exists()
    theirs = Absence.objects.create(user=bob, delegate=carol, starts_at=times.now(), ends_at=times.now() + DAY)
    url = f"/admin/approvals/absence/{theirs.pk}/change/"
    assert "their own word" in refused(save(as_(me), url, delegate=me.pk))
    inline = {"absences-0-delegate": me.pk}
    assert "their own word" in save(as_(me), PERSON.format(bob.pk), **inline).content.decode()
    theirs.refresh_from_db()
    assert theirs.delegate == carol


def test_nobody_lengthens_shortens_or_drops_an_absence_of_theirs_or_for_which_they_stand_in(
    as_, root, save, refused, bob, carol
):
    now = times.now()
    mine = Absence.objects.create(user=root, delegate=bob, starts_at=now, ends_at=now + DAY)
    lent = Absence.objects.create(user=bob, delegate=root, starts_at=now + DAY, ends_at=now + 2 * DAY)
    for absence in (mine, lent):
        url = f"/admin/approvals/absence/{absence.pk}"
        assert "their own word" in refused(save(as_(root), f"{url}/change/", ends_at_0="2099-01-01"))
        assert as_(root).post(f"{url}/delete/", {"post": "yes"}).status_code == 403
    rows = {"action": "delete_selected", "_selected_action": [mine.pk, lent.pk], "post": "yes"}
    as_(root).post("/admin/approvals/absence/", rows)
    dropped = save(as_(root), PERSON.format(bob.pk), **{"absences-0-DELETE": "on"})
    assert "their own word" in dropped.content.decode()
    assert Absence.objects.count() == 2


def test_an_admin_names_somebody_else_and_hears_of_a_queue_that_is_left_empty(desk, save, refused, bob, carol, oscar):
    answer = save(desk, ABSENCE, **absence_form(bob, carol))
    assert answer.status_code == 302
    assert not any("nobody is left" in str(said) for said in get_messages(answer.wsgi_request))

    Absence.objects.all().delete()
    answer = save(desk, ABSENCE, **absence_form(bob))
    assert answer.status_code == 302
    [warning] = [str(one) for one in get_messages(answer.wsgi_request) if "nobody is left" in str(one)]
    assert "While Bob is away nobody is left in Specialists · Commerce" in warning
    assert "Somebody who has left" in refused(save(desk, ABSENCE, **absence_form(carol, oscar)))


def test_the_database_refuses_somebody_who_stands_in_for_themselves(bob):
    with pytest.raises(IntegrityError, match="absence_delegate_is_another"), transaction.atomic():
        Absence.objects.create(user=bob, delegate=bob, starts_at=times.now(), ends_at=times.now() + DAY)


# --- Whom a word reaches


def test_a_tier_that_something_leads_to_has_somebody_whom_a_word_reaches(desk, save, refunds, bob):
    User.objects.filter(pk=bob.pk).update(email="")
    gaps = {str(gap) for gap in coverage.gaps()}

    assert "Tier 1 leads to tier 2, where nobody can be told. Give one of its reviewers" in "".join(gaps)
    Tier.objects.filter(pk=1).update(sla=timedelta(minutes=20))
    obstacles = " ".join(versions.draft().obstacles)
    assert obstacles == ""  # a gap that was there already is no reason
    refunds.tier_id = 2
    refunds.save()
    assert "The action type “Refund” leads to tier 2, where nobody can be told" in " ".join(versions.draft().obstacles)


def test_the_last_way_to_be_told_is_not_taken_away(desk, save, monkeypatch, bob, person, commerce, refused):
    deaf = person("deaf", tier=2, domain=commerce)
    monkeypatch.setattr(coverage, "reachable", lambda users: set(users) - {deaf.pk})

    complaint = refused(save(desk, PERSON.format(bob.pk), is_active=[]))
    assert "leads to tier 2, where nobody can be told" in complaint
    bob.refresh_from_db()
    assert bob.is_active
