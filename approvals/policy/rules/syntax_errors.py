"""What the expression library's parser complains of, as an admin would put it: no token names, no grammar."""

import re

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

_UNKNOWN = re.compile(r"token recognition error at: '(.*)'$", re.DOTALL)
_MISSING = re.compile(r"missing '(.+?)' at '(.*)'$", re.DOTALL)
_UNEXPECTED = re.compile(
    r"(?:mismatched|extraneous|no viable alternative at) input '(.*?)'(?: expecting (.*))?$", re.DOTALL
)
_RESERVED = re.compile(r"reserved identifier: (\w+)")
_END = "<EOF>"
# What people write from other languages, and what it is called here.
_MEANT = {
    "and": gettext_lazy("write && for and"),
    "or": gettext_lazy("write || for or"),
    "not": gettext_lazy("write ! for not"),
    "is": gettext_lazy("write == to compare"),
    "=": gettext_lazy("write == to compare"),
    "&": gettext_lazy("write && for and"),
    "|": gettext_lazy("write || for or"),
    ",": gettext_lazy("write a number without separators and with a point: 1000.50"),
    "if": gettext_lazy("write a choice as condition ? then : else"),
    "like": gettext_lazy("write args.name.contains(…), .startsWith(…) or .matches(…)"),
    "between": gettext_lazy("write both ends: args.amount >= 1.0 && args.amount <= 5.0"),
}


def syntax_sentence(raw: str) -> str:
    """The sentence for a complaint of the parser; empty for one that is not the parser's."""
    if match := _RESERVED.search(raw):
        return _refused(match[1])
    if not raw.startswith("Syntax error"):
        return ""
    if match := _UNKNOWN.search(raw):
        return _unreadable(match[1])
    if match := _MISSING.search(raw):
        sign, at = match.groups()
        if at == _END:
            return _("it ends too early: “%(sign)s” is missing") % {"sign": sign}
        return _("“%(sign)s” is missing before “%(at)s”") % {"sign": sign, "at": at}
    if match := _UNEXPECTED.search(raw):
        token, expected = match.groups()
        if token == _END:
            return _ends_too_early(expected or "")
        return _refused(token)
    return _("this is not understood here")


def _ends_too_early(expected: str) -> str:
    if expected.startswith("':'"):
        return _("it ends too early: a choice is written condition ? then : else")
    return _("it ends too early: something has to follow")


def _unreadable(text: str) -> str:
    """Characters that begin nothing."""
    if text[:1] in {'"', "'"}:
        return _("a text begins here and has no closing quotation mark")
    if meant := _MEANT.get(text.strip()):
        return str(meant)
    return _("“%(text)s” means nothing here") % {"text": text.strip()}


def _refused(token: str) -> str:
    meant = _MEANT.get(token) or _MEANT.get(token[-1:] if not token.isalnum() else "")
    sentence = _("“%(token)s” does not belong here") % {"token": token}
    return f"{sentence}: {meant}" if meant else sentence
