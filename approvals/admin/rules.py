"""Rules in the admin, and the two addresses that the box for a condition asks while an admin types."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from approvals.admin.base import PolicyAdmin
from approvals.admin.ruleform import RuleForm
from approvals.models import ActionType, Rule
from approvals.policy.authoring import validation
from approvals.policy.authoring.condition_trial import try_condition
from approvals.policy.authoring.fields import RULE
from approvals.policy.rules import fit
from approvals.policy.rules.completions import completions
from approvals.policy.rules.expressions import BadExpression, Expression, compiled_expression
from approvals.policy.rules.readings import explained

RULE_FORM = RULE.layout()
SHOWN = 140  # characters of a condition in the list


@admin.register(Rule)
class RuleAdmin(PolicyAdmin):
    form = RuleForm
    list_display = ("name", "action_type", "when", "effect", "tier", "active")
    list_filter = ("effect", "active", "action_type__domain")
    list_select_related = ("action_type", "tier")
    search_fields = ("name", "message", "expression")
    autocomplete_fields = ("action_type",)
    fieldsets = (
        (None, {"fields": (*RULE_FORM["name"], "action_type", "active")}),
        (gettext_lazy("Condition"), {"fields": RULE_FORM["condition"]}),
        (gettext_lazy("Consequence"), {"fields": RULE_FORM["consequence"]}),
    )

    @display(description=gettext_lazy("when"))
    def when(self, rule: Rule) -> SafeString:
        """The condition in words, a long one cut; whole on hover."""
        text = explained(rule.expression, rule.action_type.schema if rule.action_type else None)
        return format_html('<span title="{}">{}</span>', text, Truncator(text).chars(SHOWN))

    # --- While an admin types

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("names/", self.admin_site.admin_view(self.names), name="approvals_rule_names"),
            path("check/", self.admin_site.admin_view(self.check_condition), name="approvals_rule_check"),
        ]
        return [*own, *super().get_urls()]

    def names(self, request: HttpRequest) -> HttpResponse:
        """What a condition of this action type may name."""
        self._refuse_others(request)
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        type = _type(request.GET.get("action_type", ""))
        return JsonResponse({"names": [one.as_json() for one in completions(type.schema if type else {})]})

    def check_condition(self, request: HttpRequest) -> HttpResponse:
        """Whether it may stand, in words, and how often it would have been true: numbers, and no content."""
        self._refuse_others(request)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        text, type = request.POST.get("expression", ""), _type(request.POST.get("action_type", ""))
        schema = type.schema if type else None
        try:
            expression = compiled_expression(text)
            wrong = fit.unfit(expression, schema, str(type))
        except BadExpression as bad:
            return JsonResponse({"faults": [_fault(bad)]})
        if wrong:
            return JsonResponse({"faults": [_fault(one) for one in wrong]})
        objection = validation.stated_complaint(expression) if request.POST.get("effect") == Rule.Effect.ALLOW else ""
        if objection:
            return JsonResponse({"faults": [{"line": 0, "column": 0, "message": objection}]})
        return JsonResponse({"faults": [], "words": explained(text, schema), "past": _past(expression, type)})

    def _refuse_others(self, request: HttpRequest) -> None:
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied


def _type(name: str) -> ActionType | None:
    types: QuerySet[ActionType] = ActionType.objects.filter(pk=name[:80])
    return types.first() if name else None


def _fault(bad: BadExpression) -> dict[str, Any]:
    return {"line": bad.line, "column": bad.column, "message": bad.message}


def _past(expression: Expression, type: ActionType | None) -> str:
    tally = try_condition(expression, type)
    facts = {"held": tally.held, "looked": tally.looked, "failed": tally.failed, "type": type}
    if not tally.looked:
        return (
            _("Nothing to try it on yet: no approval of this action type.") if type else _("Nothing to try it on yet.")
        )
    if type:
        sentence = _("True of %(held)d of the last %(looked)d approvals of “%(type)s”.") % facts
    else:
        sentence = _("True of %(held)d of the last %(looked)d approvals of any action type.") % facts
    if tally.failed:
        sentence += " " + _("Of %(failed)d it could not be told, and a person would be asked.") % facts
    return sentence
