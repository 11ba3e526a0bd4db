"""The draft and the versions of policy: read, published, gone back to, sent out and taken in."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from approvals.admin import rehearsals, samples
from approvals.admin.base import ReadOnlyAdmin, may_publish, policy_bar, signed_in
from approvals.models import Domain, PolicyVersion, Rehearsal
from approvals.policy import snapshot
from approvals.policy.authoring import file_writer, files, versions
from approvals.policy.authoring.differences import changes
from approvals.policy.authoring.fields import Row
from approvals.policy.authoring.versions import EMPTY, NotPublished

Page = Callable[..., HttpResponse]
PAGE = "admin:approvals_policyversion_"  # the names of the pages here begin so
LARGEST = 2 * 1024 * 1024  # of a file that is taken in


@admin.register(PolicyVersion)
class PolicyVersionAdmin(ReadOnlyAdmin):
    """Whoever may look at versions may rehearse a draft; who may add one publishes, discards and takes in."""

    list_display = ("__str__", "note", "who", "published_at", "does")
    list_display_links = ("__str__", "note")
    list_select_related = ("published_by", "request__requested_by")
    list_before_template = "admin/policy/_bar.html"
    change_form_outer_before_template = "admin/policy/_bar.html"
    fields = ("number", "note", "who", "published_at", "digest", "changed", "does")
    readonly_fields = fields

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return bool(request.user.is_active and request.user.has_perm("approvals.view_policyversion"))

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[PolicyVersion]:
        queryset: models.QuerySet[PolicyVersion] = super().get_queryset(request)
        return queryset.defer("snapshot")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, policy_bar(request, extra_context))  # type: ignore[no-any-return]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        return super().render_change_form(request, policy_bar(request, context), *args, **kwargs)

    @display(description=_("published by"))
    def who(self, version: PolicyVersion) -> str:
        publish_request = getattr(version, "request", None)
        if publish_request is None:
            return str(version.published_by or gettext("Assent"))
        return gettext("%(one)s, asked by %(other)s") % {
            "one": version.published_by,
            "other": publish_request.requested_by,
        }

    @display(description=_("file, way back"))
    def does(self, version: PolicyVersion) -> SafeString:
        newest = PolicyVersion.objects.values_list("number", flat=True).first()
        return _rendered("_does.html", version=version, newest=version.number == newest)

    @display(description=_("changed since the version before"))
    def changed(self, version: PolicyVersion) -> SafeString:
        before = PolicyVersion.objects.filter(number__lt=version.number).first()
        differences = changes(before.snapshot if before else EMPTY, version.snapshot)
        return _rendered("_changes.html", before=before, changes=differences)

    # --- Pages of its own

    def get_urls(self) -> list[URLPattern]:
        def at(route: str, name: str, view: Page, *, method: str = "GET", alters: bool = False) -> URLPattern:
            guarded: Page = self.admin_site.admin_view(self._guarded(view, method, alters=alters))
            return path(route, guarded, name=f"approvals_policyversion_{name}")

        own = [
            at("draft/", "draft", self.draft),
            at("draft/publish/", "publish", self.publish, method="POST", alters=True),
            at("draft/withdraw/", "withdraw", self.withdraw, method="POST", alters=True),
            at("draft/discard/", "discard", self.discard, method="POST", alters=True),
            at("draft/import/", "import", self.take_in, method="POST", alters=True),
            at("draft/export/", "export_draft", self.export),
            at("draft/sample/", "sample", self.sample),
            at("draft/try/", "try", self.sample, method="POST"),
            at("<int:number>/export/", "export", self.export),
            at("<int:number>/revert/", "revert", self.revert, method="POST", alters=True),
            at("rehearse/", "rehearse", rehearsals.ask, method="POST"),
            at("rehearsals/<uuid:pk>/", "rehearsal", self.rehearsal),
        ]
        return [*own, *super().get_urls()]

    def _guarded(self, view: Page, method: str, *, alters: bool) -> Page:
        def guarded(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            if not (may_publish(request) if alters else self.has_view_permission(request)):
                raise PermissionDenied
            if request.method != method:
                return HttpResponseNotAllowed([method])
            return view(request, **kwargs)

        return guarded

    def _page(self, request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
        around = self.admin_site.each_context(request)
        return TemplateResponse(
            request,
            f"admin/policy/{template}",
            {**around, "opts": self.opts, "title": title, "publishes": may_publish(request), **context},
        )

    def draft(self, request: HttpRequest) -> HttpResponse:
        """What differs from the policy in force, and what can be done about it."""
        draft, publish_request = versions.draft(), versions.open_publish_request()
        back = request.GET.get("back", "")
        mine = publish_request is not None and publish_request.requested_by_id == signed_in(request).pk
        return self._page(
            request,
            "draft.html",
            gettext("Draft"),
            draft=draft,
            obstacles=draft.obstacles if draft.differs else [],
            gaps_again=draft.gaps_again if draft.differs else [],
            note=gettext("Back to v%(number)s.") % {"number": int(back)} if back.isdecimal() and len(back) < 9 else "",
            asked=publish_request,
            agrees=publish_request is not None and publish_request.digest == draft.digest and not mine,
            mine=mine and publish_request is not None and publish_request.digest == draft.digest,
            two=settings.ASSENT_SECOND_PUBLISHER,
            rehearsals=Rehearsal.objects.filter(digest=draft.digest).defer("draft")[:3] if draft.differs else [],
            sizes=rehearsals.SIZES,
        )

    def publish(self, request: HttpRequest) -> HttpResponse:
        by, digest = signed_in(request), request.POST.get("digest", "")
        try:
            version = versions.publish(by=by, note=request.POST.get("note", ""), digest=digest)
        except (NotPublished, snapshot.Unpublishable) as refused:
            return self._refused(request, refused)
        return self._published(request, version)

    def revert(self, request: HttpRequest, number: int) -> HttpResponse:
        version = get_object_or_404(PolicyVersion.objects.only("number"), number=number)
        try:
            versions.restore_version(number)
        except NotPublished as refused:
            return self._refused(request, refused, to="changelist")
        message = gettext(
            "What %(version)s said is the draft now. Read what differs; it is in force when it is published."
        )
        messages.info(request, message % {"version": version})
        return HttpResponseRedirect(f"{reverse(PAGE + 'draft')}?{urlencode({'back': number})}")

    def sample(self, request: HttpRequest) -> HttpResponse:
        """A made-up request under the draft, beside what is in force. It changes nothing."""
        return self._page(request, "sample.html", gettext("Sample request"), **samples.report(request))

    def withdraw(self, request: HttpRequest) -> HttpResponse:
        try:
            versions.withdraw(by=signed_in(request))
        except NotPublished as refused:
            return self._refused(request, refused)
        messages.info(request, gettext("Nobody is asked to publish it any more. The draft stays."))
        return _redirect_to("draft")

    def discard(self, request: HttpRequest) -> HttpResponse:
        try:
            given_up = versions.discard(by=signed_in(request), digest=request.POST.get("digest", ""))
        except NotPublished as refused:
            return self._refused(request, refused)
        newest = PolicyVersion.objects.defer("snapshot").first()
        assert newest is not None  # noqa: S101  # what it went back to
        self.log_change(request, newest, "Discarded a draft: " + "; ".join(map(str, given_up)))
        messages.success(
            request, gettext("The draft is discarded; %(version)s is what is there.") % {"version": newest}
        )
        return _redirect_to("changelist")

    def take_in(self, request: HttpRequest) -> HttpResponse:
        form = FileForm(request.POST, request.FILES)
        if not form.is_valid():
            messages.error(request, " ".join(str(said) for rows in form.errors.values() for said in rows))
            return _redirect_to("draft")
        try:
            draft = versions.import_file(form.cleaned_data["file"])
        except (NotPublished, files.BadFile) as refused:
            return self._refused(request, refused)
        if draft.differs:
            messages.info(request, gettext("The file is the draft now. It is in force when it is published."))
        else:
            messages.info(request, gettext("The file says what is in force already."))
        return _redirect_to("draft")

    def export(self, request: HttpRequest, number: int | None = None) -> HttpResponse:
        """A version, or the draft, as a file."""
        policy_snapshot: Row
        if number is None:
            policy_snapshot, name = versions.draft().snapshot, "draft"
        else:
            version = get_object_or_404(PolicyVersion, number=number)
            policy_snapshot, name = version.snapshot, str(version)
        text = file_writer.toml(
            policy_snapshot, dict(Domain.objects.values_list("slug", "name")), heading=f"Policy of Assent, {name}."
        )
        answer = HttpResponse(text, content_type="application/toml; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="policy-{name}.toml"'
        return answer

    def rehearsal(self, request: HttpRequest, pk: Any) -> HttpResponse:
        rehearsal = get_object_or_404(
            Rehearsal.objects.select_related("asked_by").defer("draft", "base__snapshot"), pk=pk
        )
        context = rehearsals.report(request, rehearsal)
        if request.headers.get("HX-Request"):
            return TemplateResponse(request, "admin/policy/_rehearsal.html", context)
        return self._page(request, "rehearsal.html", gettext("Rehearsal"), **context)

    def _published(self, request: HttpRequest, version: PolicyVersion | None) -> HttpResponse:
        if version is None:
            messages.info(request, gettext("Another admin is asked to publish it. Until then nothing changes."))
            return _redirect_to("draft")
        message = gettext("Policy v%(number)d is in force; open approvals keep theirs.")
        messages.success(request, message % {"number": version.number})
        return _redirect_to("changelist")

    def _refused(self, request: HttpRequest, refused: Exception, *, to: str = "draft") -> HttpResponse:
        for sentence in getattr(refused, "sentences", (str(refused),))[:20]:
            messages.error(request, sentence)
        return _redirect_to(to)


class FileForm(forms.Form):
    """A policy file, as text."""

    file = forms.FileField(error_messages={"required": _("Choose a file: policy.toml.")})

    def clean_file(self) -> str:
        file = self.cleaned_data["file"]
        if file.size > LARGEST:
            raise forms.ValidationError(gettext("A policy is at most 2 MB."))
        try:
            return str(file.read().decode("utf-8"))
        except UnicodeDecodeError as error:
            raise forms.ValidationError(gettext("This is no text in UTF-8.")) from error


def _redirect_to(name: str) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse(PAGE + name))


def _rendered(template: str, **context: Any) -> SafeString:
    return SafeString(render_to_string(f"admin/policy/{template}", context))
