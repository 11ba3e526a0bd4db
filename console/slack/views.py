"""The two addresses that Slack calls. Nothing is read of a request that Slack did not sign within five minutes."""

import json
from urllib.parse import parse_qs

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from approvals.notify import slack
from console.slack import app

LARGEST = 128 * 1024


class Unsigned(Exception):
    """Not from Slack, too old, too large, or there before; `status` says which."""

    def __init__(self, status: int) -> None:
        self.status = status


@csrf_exempt
@require_POST
def interactions(request: HttpRequest) -> HttpResponse:
    """A press of a button. The signature stands for the session and the token of a page."""
    try:
        form = _signed(request)
        payload = json.loads(form.get("payload", [""])[0])
        if not isinstance(payload, dict):
            raise Unsigned(400)
        user, team = payload.get("user") or {}, payload.get("team") or {}
        _count(str(team.get("id") or user.get("team_id") or ""), str(user.get("id", "")))
    except Unsigned as error:
        return HttpResponse(status=error.status)
    except (ValueError, AttributeError):
        return HttpResponse(status=400)
    return JsonResponse(dict(app.interaction(payload)))


@csrf_exempt
@require_POST
def commands(request: HttpRequest) -> HttpResponse:
    """`/assent link CODE`: that account is the person's who was shown the code."""
    try:
        form = {name: values[0] for name, values in _signed(request).items()}
        team, account = form.get("team_id", ""), form.get("user_id", "")
        _count(team, account)
    except Unsigned as error:
        return HttpResponse(status=error.status)
    if not team or not account or len(team) > 40 or len(account) > 40:
        return HttpResponse(status=400)
    reply = app.command(form.get("text", "")[:200], team=team, account=account)
    return JsonResponse({"response_type": "ephemeral", "text": reply})


def _signed(request: HttpRequest) -> dict[str, list[str]]:
    """The form that Slack signed. Raises Unsigned; before anything else is looked at."""
    if not slack.is_configured():
        raise Http404
    length = request.headers.get("Content-Length", "")
    if not length.isdecimal():
        raise Unsigned(411)
    if int(length) > LARGEST:
        raise Unsigned(413)
    signature = request.headers.get("X-Slack-Signature", "")
    if not app.is_signed(request.headers.get("X-Slack-Request-Timestamp", ""), signature, request.body):
        raise Unsigned(401)
    if not app.is_first(signature):
        raise Unsigned(409)
    try:
        return parse_qs(request.body.decode(), max_num_fields=50)
    except ValueError:
        raise Unsigned(400) from None


def _count(team: str, account: str) -> None:
    if app.too_many(team, account):
        raise Unsigned(429)
