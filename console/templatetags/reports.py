"""What the reports' templates say in one word: shares with their sample, spans of time, links to the rows."""

from datetime import timedelta

from django import template
from django.template import Context

from approvals.evidence.rates import Rate
from console.labels import DONE
from console.reports import axes, charts
from console.reports.selection import address

register = template.Library()

register.filter("percent", axes.percent)


@register.filter
def took(duration: timedelta | None) -> str:
    """A span of time in its two largest units, a dash for none."""
    return axes.DASH if duration is None else axes.length(duration.total_seconds())


@register.filter
def done(verdict: str) -> str:
    """A verdict as what was done: "approve" is "Approved"."""
    return str(DONE.get(verdict, verdict))


@register.filter
def points(gap: float) -> str:
    """A difference of two shares in percentage points, with its sign."""
    return f"{gap * 100:+.0f}".replace("-", "\N{MINUS SIGN}")


@register.simple_tag(takes_context=True)
def rows_url(context: Context, of: str, **narrower: object) -> str:
    """The address of the rows behind one number of this page: its filters, narrowed further."""
    return address(context["form"], "reports:rows", of=of, **narrower)


@register.simple_tag(takes_context=True)
def filtered(context: Context, name: str, **narrower: object) -> str:
    """The address of a page of the reports under the filters of this one; an empty value drops a filter."""
    return address(context["form"], name, **narrower)


@register.simple_tag
def whisker(rate: Rate) -> charts.Whisker | None:
    return None if rate.share is None else charts.whisker(rate.low, rate.share, rate.high)


@register.simple_tag
def sparkline(trends: dict[str, list[int]], key: str) -> charts.Spark | None:
    return charts.spark(trends.get(key, []))
