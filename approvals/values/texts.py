"""How long may be what people and agents write to each other, and the sentence that refuses more."""

from django.utils.translation import gettext as _

from approvals.values.schema import Fault

MESSAGE = 10_000  # with a verdict, a recall, a confirmation; a comment, guidance
ACCOUNT = 4_000  # what is asked, answered, reported or flagged
WHY = 2_000  # why an agent, or a step of its plan, is refused


def too_long(pointer: str, text: str, most: int = MESSAGE) -> list[Fault]:
    """The fault of a text with more than `most` characters."""
    return [Fault(pointer, _("At most %(most)d characters.") % {"most": most})] if len(text) > most else []
