"""The second factor at sign-in, as a page and as a step of the dialog over an open card."""

from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.webauthn.views import ReauthenticateWebAuthnView
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from console.http import ConsoleRequest
from console.sign_in import factors
from console.sign_in.session import wants_part


@login_required
@require_safe
def factor_list(request: ConsoleRequest) -> HttpResponse:
    """Second factors are listed on the page of everything that protects one's account."""
    return redirect(reverse("profile:security") + "#factors")


class Authenticate(AuthenticateView):  # type: ignore[misc]  # allauth ships no types
    """Asks for the second factor. A script is answered in JSON: `passkey`, the options to ask the browser for one
    with (null for who has none), or after a post the `errors`, 400; none once the person is signed in.
    """

    def get(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if not wants_part(request):
            page: HttpResponse = super().get(request, *args, **kwargs)
            return page
        return JsonResponse({"passkey": self.get_context_data()["passkey"]})

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        response: HttpResponse = super().post(request, *args, **kwargs)
        if not wants_part(request):
            return response
        errors = [message for messages in self.form.errors.values() for message in messages]
        return JsonResponse({"errors": errors}, status=400 if errors else 200)

    def get_context_data(self, **kwargs: object) -> dict[str, object]:
        context: dict[str, object] = super().get_context_data(**kwargs)
        user = self.stage.login.user
        options = context.get("js_data")
        has_passkey = factors.has_factor(user, factors.Type.WEBAUTHN)
        context["passkey"] = options["request_options"] if has_passkey and isinstance(options, dict) else None
        context["has_app"] = factors.has_factor(user, factors.Type.TOTP)
        return context


class ConfirmPasskey(ReauthenticateWebAuthnView):  # type: ignore[misc]
    """Whoever is signed in shows again who they are. A wrong passkey stays here, where it can be tried again."""

    def form_invalid(self, form: factors.ConfirmPasskeyForm) -> HttpResponse:
        context = {**self.get_context_data(), "form": form}
        response: HttpResponse = self.render_to_response(context, status=422)
        return response


authenticate = Authenticate.as_view()
confirm_passkey = ConfirmPasskey.as_view()
