"""Shadow mode where people look: the card, the history, the report and its CSV."""

import pytest
from django.urls import reverse

from approvals.models import Autonomy, Curve
from tests.text_search import mentions


@pytest.fixture
def in_shadow(robot, refunds):
    return Autonomy.objects.create(agent=robot, action_type=refunds, level=2, shadow=True)


@pytest.fixture
def passed(in_shadow, propose):
    return [propose(amount=amount, order=str(amount)) for amount in (10, 6_000, 7_000)]


def test_the_card_has_a_quiet_chip_and_says_what_would_have_been_asked(passed, as_, bob):
    page = as_(bob).get(reverse("card:card", args=[passed[1].pk])).content.decode()
    assert "Shadow: tier 2 </span>" in " ".join(page.split())
    assert "Shadow mode: nobody is asked. It would have asked tier 2:" in page
    assert "above the ceiling of tier 1" in page


def test_the_history_marks_them_and_filters_by_them(passed, propose, in_shadow, as_, bob, mia):
    Autonomy.objects.update(shadow=False, level=3)
    page = as_(mia).get(reverse("history:history")).content.decode()
    assert page.count("Shadow: tier") == 3
    only = as_(mia).get(reverse("history:history"), {"shadow": "asked"}).content.decode()
    assert only.count("Shadow: tier") == 3
    assert "Shadow: tier" not in as_(mia).get(reverse("history:history"), {"shadow": "refused"}).content.decode()


def test_the_report_counts_per_action_and_agent_by_reason(passed, as_, mia):
    page = as_(mia).get(reverse("reports:shadow")).content.decode()
    assert "Refund" in page and "robot" in page
    assert 'High risk <span class="num">2</span>' in page and 'Always asks <span class="num">1</span>' in page
    assert f'href="{reverse("history:history")}?type=refund&amp;agent=robot&amp;shadow=asked">3</a>' in page


def test_a_report_of_nothing_says_where_shadow_mode_is_set(as_, mia, refunds):
    assert "Nothing passed by shadow mode" in as_(mia).get(reverse("reports:shadow")).content.decode()


def test_the_csv_holds_the_same(passed, as_, otto):
    answer = as_(otto).get(reverse("reports:shadow_csv"))
    assert answer["Content-Disposition"].startswith('attachment; filename="assent-shadow-')
    lines = answer.content.decode().lstrip("\ufeff").splitlines()
    assert lines[0] == "action_type,agent,reason_code,count,would_ask,would_refuse"
    assert lines[1:] == ["refund,robot,high_risk,2,,", "refund,robot,fixed,1,,", "refund,robot,,3,3,0"]


# --- What people made of a score, on the card


def test_the_card_shows_every_part_of_the_confidence_and_which_number_counts(propose, refunds, as_, alice):
    Curve.objects.create(
        action_type=refunds, points=[["0.000", "1.000", 41, 412]], decided=412, fitted_at="2026-11-01T00:00:00Z"
    )
    approval = propose(signals={"stated_confidence": 0.8})
    page = as_(alice).get(reverse("card:card", args=[approval.pk])).content.decode()
    for text in (
        "Stated confidence",
        "Tool result validity",
        "missing",
        "no decisions by people yet; a newcomer counts as one approval in four",
        "Composite",
        "Of our own signals alone",
        "what people approved of 412 with such a composite, 0 of them this agent",
        "What was observed is lower, and can only ask a person.",
        "Medium impact",
    ):
        assert text in page, text
    assert mentions(page, "0.099")
    Curve.objects.all().delete()
    other = propose(order="2")
    page = as_(alice).get(reverse("card:card", args=[other.pk])).content.decode()
    assert "The composite passes from 0.85, asks a person from 0.6" in page and "Observed" not in page
