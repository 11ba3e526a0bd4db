"""A sample request, tried on the draft and on what is in force, side by side."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _

from approvals.admin.rehearsals import ROUTES
from approvals.models import Agent
from approvals.policy.authoring import documents, stage_rules, versions
from approvals.policy.authoring.fields import Row
from approvals.policy.messages import sentence
from approvals.policy.snapshot import compiled
from approvals.requests import sample
from approvals.requests.sample import SampleResult

LONGEST = 100_000


class SampleForm(forms.Form):
    """An agent, an action type of the draft, arguments as JSON, and what the agent states."""

    agent = forms.ModelChoiceField(Agent.objects.order_by("name"), empty_label=None)
    action = forms.ChoiceField()
    args = forms.CharField(max_length=LONGEST, widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}))
    stated_confidence = forms.FloatField(required=False, min_value=0, max_value=1)
    summary = forms.CharField(required=False, max_length=1000)

    def __init__(self, data: Any, draft: Row) -> None:
        super().__init__(data, initial={"args": "{}"})
        types = {name: row["title"] for name, row in sorted(draft["types"].items())}
        choices: Any = self.fields["action"]
        choices.choices = [(name, f"{title} ({name})") for name, title in types.items()]
        for name, label in {
            "agent": _("Agent"),
            "action": _("Action type"),
            "args": _("Arguments, as JSON"),
            "stated_confidence": _("Stated confidence"),
            "summary": _("Summary"),
        }.items():
            self.fields[name].label = label

    def clean_args(self) -> Any:
        try:
            return json.loads(self.cleaned_data["args"])
        except (ValueError, RecursionError) as error:
            raise ValidationError(_('This is no JSON: write {"amount": 420}.')) from error


def report(request: HttpRequest) -> dict[str, Any]:
    """The form as it was sent, and what both policies make of it."""
    draft = versions.draft()
    form = SampleForm(request.POST or None, draft.snapshot)
    context: dict[str, Any] = {"form": form, "draft": draft, "results": []}
    if not form.is_bound or not form.is_valid():
        return context
    if documents.faults_of(draft.snapshot):
        form.add_error(None, _("The draft does not stand yet: see what it says cannot be published."))
        return context
    policies = [(_("Draft"), draft.snapshot)]
    if draft.base is not None:
        policies.append((_("In force (%(version)s)") % {"version": draft.base}, draft.base.snapshot))
    context["results"] = [(title, _result(form.cleaned_data, snapshot)) for title, snapshot in policies]
    return context


def _result(sent: dict[str, Any], snapshot: Row) -> dict[str, Any]:
    sample_result = sample.route_sample(
        sent["agent"],
        sent["action"],
        sent["args"],
        compiled(0, snapshot),
        summary=sent["summary"],
        stated=sent["stated_confidence"],
    )
    if sample_result.routing is None:
        reasons = [
            f"{fault.pointer.removeprefix('/items/0/action')}: {fault.message}" for fault in sample_result.faults
        ]
        return {"route": "unfit", "words": _("not taken"), "reasons": reasons}
    return {
        "route": sample_result.routing.route,
        "words": _outcome_text(sample_result),
        "reasons": list(map(sentence, sample_result.routing.reasons)),
    }


def _outcome_text(sample_result: SampleResult) -> str:
    routing = sample_result.routing
    if routing is None or not sample_result.asks:
        return str(ROUTES[sample_result.outcome])
    if routing.stages:
        return _("asks %(stages)s") % {"stages": stage_rules.in_words([stage.as_json() for stage in routing.stages])}
    parts = [_("asks tier %(tier)d") % {"tier": routing.tier}]
    if routing.approvers > 1:
        parts.append(_("%(count)d people") % {"count": routing.approvers})
    if routing.typed:
        parts.append(_("typed value"))
    return ", ".join(parts)
