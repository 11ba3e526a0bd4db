"""What the fleet's pages say in words: what a level means, what the next one lacks, and what became of one."""

from collections.abc import Mapping

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from approvals.autonomy.levels import Lack, Missing
from approvals.history import system_facts
from approvals.models import Breaker, SystemAuditEvent
from approvals.models.labels import TermEnd
from approvals.models.policy import Impact

LEVELS: Mapping[int, Promise] = {
    1: gettext_lazy("a person decides everything"),
    2: gettext_lazy("asks where its policy says so"),
    3: gettext_lazy("asks in exceptions only"),
    4: gettext_lazy("runs by itself, and a share is looked at afterwards"),
}


def missing_sentence(missing: Missing) -> str:
    """What a band lacks for its next level."""
    number = missing.number or 0
    match missing.lack:
        case Lack.HIGHEST:
            return _("No higher level for such actions.")
        case Lack.LABELS if missing.number is None:
            return _("Nothing judged yet.")
        case Lack.LABELS:
            text = ngettext("%(n)s more label without a fault.", "%(n)s more labels without a fault.", number)
            return text % {"n": f"{number:,}"}
        case Lack.OUT_OF_REACH:
            return _("Out of reach: something passed that nobody could be drawn to look at. Draw a share of it.")
        case Lack.BAND_BELOW:
            return _("The band of lower value comes first.")
        case Lack.INCIDENT:
            text = ngettext(
                "%(n)d incident of high severity is open.", "%(n)d incidents of high severity are open.", number
            )
            return text % {"n": number}
        case Lack.TIME:
            assert missing.at is not None  # noqa: S101  # such a lack always has a time
            return _("At this level until %(day)s at least.") % {"day": date_format(localtime(missing.at), "j M Y")}
        case Lack.BREAKER:
            return _("A breaker is open.")


def event_sentence(event: SystemAuditEvent) -> str:
    """What happened to a cell, for its history."""
    match system_facts.facts_of_system_event(event):
        case system_facts.LevelRaised() as raised:
            text = _("Level %(from)d to %(to)d for %(band)s: %(wrong)d of %(labels)d labels wrong, E %(e)s.")
            return text % {
                "from": raised.from_level,
                "to": raised.to_level,
                "band": band_name(raised.impact),
                "wrong": raised.wrong,
                "labels": raised.labels,
                "e": e_text(raised.e),
            }
        case system_facts.LevelLowered() as lowered:
            return _lowered(lowered)
        case system_facts.BreakerOpened() as opened:
            cause = opened.why or str(Breaker.Cause(opened.cause).label)
            return _("Breaker opened: %(cause)s") % {"cause": cause}
        case system_facts.TrialDeclared() as declared:
            return _("Another trial: %(most)d considered decisions, at most %(wrong)d wrong.") % {
                "most": declared.trial_decisions,
                "wrong": declared.trial_wrong,
            }
        case system_facts.BreakerClosed() as closed:
            return _("Breaker closed: %(wrong)d of %(most)d decisions of the trial were wrong.") % {
                "wrong": closed.wrong,
                "most": closed.decisions,
            }
        case system_facts.CertificateOpened() as certified:
            text = _("Certified from %(threshold)s for %(band)s: at most %(target)s wrong, by %(labels)d labels.")
            if certified.advisory:
                text += " " + _("It assumes careful readers, and opens no gate.")
            return text % {
                "threshold": certified.threshold.normalize(),
                "band": band_name(certified.impact),
                "target": f"{float(certified.target):.0%}".replace("%", " %"),
                "labels": certified.labels,
            }
        case system_facts.CertificateEnded() as ended:
            return _("The certificate from %(threshold)s for %(band)s ended: %(why)s.") % {
                "threshold": ended.threshold.normalize(),
                "band": band_name(ended.impact),
                "why": str(TermEnd(ended.ended_by).label),
            }
        case _:
            return _("An incident of high severity was closed.")


def _lowered(lowered: system_facts.LevelLowered) -> str:
    if lowered.cause == Breaker.Cause.ALARM:
        text = _(
            "Level %(from)d to %(to)d for %(band)s: %(wrong)d of %(labels)d labels wrong, more than the bar allows."
        )
    elif lowered.cause == Breaker.Cause.INCIDENT:
        text = _("Level %(from)d to %(to)d after an incident of high severity.")
    else:
        text = _("Level %(from)d to %(to)d, by hand.")
    return text % {
        "from": lowered.from_level,
        "to": lowered.to_level,
        "band": band_name(lowered.impact) if lowered.impact else "",
        "wrong": lowered.wrong,
        "labels": lowered.labels,
    }


def band_name(impact: str) -> str:
    """A band of value in mid-sentence."""
    return str(Impact(impact).label).lower()


def e_text(e: float) -> str:
    """E as a reader compares it with what it must reach."""
    return f"{e:,.0f}" if e >= 100 else f"{e:.1f}" if e >= 0.05 else "0"


EVENTS = (
    SystemAuditEvent.Kind.LEVEL_RAISED,
    SystemAuditEvent.Kind.LEVEL_LOWERED,
    SystemAuditEvent.Kind.BREAKER_OPENED,
    SystemAuditEvent.Kind.TRIAL_DECLARED,
    SystemAuditEvent.Kind.BREAKER_CLOSED,
    SystemAuditEvent.Kind.INCIDENT_CLOSED,
    SystemAuditEvent.Kind.CERTIFICATE_OPENED,
    SystemAuditEvent.Kind.CERTIFICATE_ENDED,
)
