"""What the fleet's templates say in one word: E, what a level lacks, what a level means."""

from django import template

from approvals.autonomy.levels import Missing
from console.evidence import sentences

register = template.Library()


@register.filter
def e_value(e: float) -> str:
    """E as a reader compares it with what it must reach."""
    return sentences.e_text(e)


@register.filter
def missing_sentence(missing: Missing) -> str:
    """What a band lacks for its next level."""
    return sentences.missing_sentence(missing)


@register.filter
def level_meaning(level: int) -> str:
    """What an agent may do by itself at this level."""
    return str(sentences.LEVELS[level])
