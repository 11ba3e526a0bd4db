"""A page asks for a person's rights once; what changes something asks anew."""

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from approvals.models import Membership
from approvals.people import authorities


def reads_of_rights(queries: CaptureQueriesContext) -> int:
    return sum('FROM "approvals_membership"' in query["sql"] for query in queries.captured_queries)


def test_a_card_reads_its_persons_rights_once(refund, alice, as_):
    client = as_(alice)
    with CaptureQueriesContext(connection) as queries:
        client.get(reverse("card:card", args=[refund.pk]), headers={"HX-Request": "true"})

    assert reads_of_rights(queries) == 1


def test_rights_that_change_between_two_pages_are_read_anew(refund, alice, as_):
    client = as_(alice)
    assert client.get(reverse("card:card", args=[refund.pk])).status_code == 200
    Membership.objects.filter(user=alice).delete()

    assert client.get(reverse("card:card", args=[refund.pk])).status_code == 404


def test_outside_a_page_nothing_is_kept(alice):
    with authorities.reading_once():
        assert authorities.authority_of(alice).reviews
        Membership.objects.filter(user=alice).delete()
        assert authorities.authority_of(alice).reviews

    assert not authorities.authority_of(alice).reviews
