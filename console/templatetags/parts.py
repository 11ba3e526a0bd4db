"""A part of a card that is made of what an agent sent: where it cannot be shown as it should be, it is shown as it is.

The agent chooses these values, so one that we cannot handle would otherwise take the whole card from everybody who has
to decide it. Nothing is hidden: what stands in the place of the part is all of its JSON.
"""

import json
import logging
from collections.abc import Callable

from django import template
from django.template.base import FilterExpression, NodeList, Parser, Token
from django.template.context import Context
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from approvals.values.schema import Json

register = template.Library()
logger = logging.getLogger(__name__)

# What a value raises that code did not expect. The database's own failures are about no part of a card.
BROKEN = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class PartNode(template.Node):
    """What stands between the tags; its JSON where that fails."""

    child_nodelists = ("nodelist",)

    def __init__(self, nodelist: NodeList, raw: FilterExpression) -> None:
        self.nodelist = nodelist
        self.raw = raw

    def render(self, context: Context) -> SafeString:
        return render_or_raw(lambda: self.nodelist.render(context), lambda: self.raw.resolve(context))


def render_or_raw(show: Callable[[], SafeString], raw: Callable[[], Json]) -> SafeString:
    """What `show` makes; where it cannot, the JSON of `raw` instead, and a line in the log."""
    try:
        return show()
    except BROKEN:
        logger.exception("A part of a card could not be shown.")
        return render_to_string("_broken.html", {"raw": json.dumps(raw(), ensure_ascii=False, indent=2)})


@register.tag
def part(parser: Parser, token: Token) -> PartNode:
    """{% part proposal.args %}…{% endpart %}: the part that is made of this value."""
    raw = parser.compile_filter(token.split_contents()[1])
    nodelist = parser.parse(("endpart",))
    parser.delete_first_token()
    return PartNode(nodelist, raw)
