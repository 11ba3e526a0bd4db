"""The help pages: Markdown under templates/help, made into HTML without letting any markup of its own through.

Two fences in a row, Python and shell, are one snippet in two languages. What stands behind the language in a fence's
first line is for the test that runs every snippet, and is not shown.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from django.conf import settings
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

FOLDER = Path(settings.BASE_DIR) / "templates" / "help"
ORDER: Sequence[tuple[str, Sequence[str]]] = (
    ("Start", ("quickstart", "requests", "decisions", "waiting", "errors")),
    ("Run what was approved", ("permits", "runs", "post-review", "plans", "standing-approvals", "crashes")),
    ("Talk", ("words", "attachments", "webhooks", "events")),
    ("Build and test", ("frameworks", "testing", "command-line", "feedback")),
    ("People", ("reviewing", "notifications")),
    ("Policy", ("new-domain", "policy", "rules", "flags", "confidence", "stages", "tiers", "autonomy", "versions")),
    ("Contribute", ("glossary",)),
)
LANGUAGES = {"python": "Python", "sh": "curl", "console": "Shell", "json": "JSON", "text": "", "toml": "TOML"}

_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
_formatter = HtmlFormatter(nowrap=True)


@dataclass(frozen=True, slots=True)
class Code:
    """One snippet in one language, highlighted."""

    language: str
    label: str
    html: SafeString


@dataclass(frozen=True, slots=True)
class HelpPart:
    """A stretch of prose, or a snippet in one or several languages."""

    html: SafeString | None = None
    codes: tuple[Code, ...] = ()


@dataclass(frozen=True, slots=True)
class Heading:
    """A place on the page that can be linked."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class HelpPage:
    """One help page."""

    slug: str
    title: str
    parts: tuple[HelpPart, ...]
    headings: tuple[Heading, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A page as the list of pages names it."""

    slug: str
    title: str


def contents() -> list[tuple[str, list[Entry]]]:
    """The groups of pages in reading order."""
    return [(group, [Entry(slug, page(slug).title) for slug in slugs]) for group, slugs in ORDER]


def slugs() -> list[str]:
    """Every page, in reading order."""
    return [slug for _, group in ORDER for slug in group]


def page(slug: str) -> HelpPage:
    """A page by its name. Raises KeyError for one that does not exist."""
    if slug not in slugs():
        raise KeyError(slug)
    source = FOLDER / f"{slug}.md"
    return _page(slug, source, source.stat().st_mtime_ns)


@cache
def _page(slug: str, source: Path, _modified: int) -> HelpPage:
    tokens = _markdown.parse(source.read_text())
    headings = tuple(_named(tokens))
    for token in tokens:
        _link(token)
    title = tokens[1].content if tokens and tokens[0].type == "heading_open" else slug
    return HelpPage(slug, title, tuple(_parts(tokens)), headings)


def _named(tokens: Sequence[Token]) -> Iterator[Heading]:
    """Give every heading an id; those of the second level are listed."""
    taken: set[str] = set()
    for opening, inline in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        text = re.sub(r"[`*]", "", inline.content)
        name = slugify(text) or "section"
        while name in taken:
            name += "-2"
        taken.add(name)
        opening.attrSet("id", name)
        if opening.tag == "h2":
            yield Heading(name, text)


def _link(token: Token) -> None:
    """`permits.md#keys` leads to that page of this help."""
    for child in token.children or ():
        target = str(child.attrGet("href") or "") if child.type == "link_open" else ""
        match = re.fullmatch(r"([a-z-]+)\.md(#[\w-]+)?", target)
        if match:
            child.attrSet("href", reverse("help:page", args=[match[1]]) + (match[2] or ""))


def _parts(tokens: Sequence[Token]) -> Iterator[HelpPart]:
    prose: list[Token] = []
    codes: list[Code] = []
    for token in tokens:
        if token.type == "fence" and token.level == 0:
            if prose:
                yield _prose(prose)
                prose = []
            language = token.info.split()[0] if token.info.strip() else "text"
            if codes and (language in {code.language for code in codes} or not _pair(codes[-1].language, language)):
                yield HelpPart(codes=tuple(codes))
                codes = []
            codes.append(_code(language, token.content))
            continue
        if codes:
            yield HelpPart(codes=tuple(codes))
            codes = []
        prose.append(token)
    if codes:
        yield HelpPart(codes=tuple(codes))
    if prose:
        yield _prose(prose)


def _pair(first: str, second: str) -> bool:
    return {first, second} == {"python", "sh"}


def _prose(tokens: Sequence[Token]) -> HelpPart:
    # Our own pages, with HTML in them switched off.
    return HelpPart(html=mark_safe(_markdown.renderer.render(tokens, _markdown.options, {})))  # noqa: S308


def _code(language: str, text: str) -> Code:
    lexer = get_lexer_by_name({"sh": "bash"}.get(language, language))
    return Code(language, LANGUAGES.get(language, language), mark_safe(highlight(text, lexer, _formatter)))  # noqa: S308
