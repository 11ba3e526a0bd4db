"""Addresses of pages: ids go in, an absolute address comes out.

The domain knows no URLs: whoever serves the pages registers a maker of links when it starts.
"""

from collections.abc import Callable
from enum import StrEnum


class Page(StrEnum):
    """What an address leads to, and in brackets the ids that it takes."""

    INBOX = "inbox"
    CARD = "card"  # (approval)
    RUN = "run"  # (run)
    DECISION = "decision"  # (request): where its agent reads the decision
    ERRORS = "errors"  # the help page about the API's problems
    PASSWORD = "password"  # noqa: S105  # (person's key, token): where somebody sets one
    CELL = "cell"  # (autonomy): an agent, action type and version in the fleet
    BREAKER = "breaker"  # (breaker)
    TIER = "tier"  # (level): in the admin
    WEEK = "week"  # (its Monday): the summary
    GIVEN_UP = "given up"  # (endpoint): its dead webhooks, in the admin


Maker = Callable[..., str]  # of a page and its ids


def _unregistered(page: Page, *_ids: object) -> str:
    raise RuntimeError(f"nobody registered a maker of links, and {page} was to be linked to")


_maker: Maker = _unregistered


def register(maker: Maker) -> None:
    """Have addresses made by `maker` from now on."""
    global _maker
    _maker = maker


def link(page: Page, *ids: object) -> str:
    """The absolute address of a page."""
    return _maker(page, *ids)
