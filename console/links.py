"""Makes the addresses that the domain and the agents' side write into mails, webhooks and documents."""

from collections.abc import Mapping
from functools import cache
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from approvals import links
from approvals.links import Page

_ANY = UUID(int=0)
_OF_A_ROW: Mapping[Page, str] = {Page.CARD: "card:card", Page.RUN: "runs:run", Page.DECISION: "api:decision"}


def connect() -> None:
    links.register(address)


def address(page: Page, *ids: object) -> str:
    """The absolute address of a page."""
    return settings.ASSENT_BASE_URL + _path(page, *ids)


def _path(page: Page, *ids: object) -> str:
    match page:
        case Page.CARD | Page.RUN | Page.DECISION:
            return _path_of_any(page).replace(str(_ANY), str(ids[0]))
        case Page.INBOX:
            return reverse("inbox:inbox")
        case Page.ERRORS:
            return reverse("help:page", args=["errors"])
        case Page.CELL:
            return reverse("evidence:cell", args=ids)
        case Page.BREAKER:
            return reverse("evidence:breaker", args=ids)
        case Page.PASSWORD:
            return reverse("account_reset_password_from_key", args=ids)
        case Page.TIER:
            return reverse("admin:approvals_tier_change", args=ids)
        case Page.WEEK:
            return f"{reverse('reports:weekly')}?week={ids[0]}"
        case Page.GIVEN_UP:
            return f"{reverse('admin:approvals_delivery_changelist')}?status__exact=dead&endpoint__id__exact={ids[0]}"


@cache
def _path_of_any(page: Page) -> str:
    # Of these every document of the API has some: resolving two names took as long as the rest of it.
    return reverse(_OF_A_ROW[page], args=[_ANY])
