"""The kill switch for people's tools."""

from allauth.core import ratelimit
from rest_framework.response import Response

from agents.api.base import Call, PersonView, documented
from agents.documents import moment
from agents.problems import Problem, invalid
from approvals.errors import NotAllowed
from approvals.execution import kill_switch
from approvals.models import Stop, User
from approvals.people import access
from approvals.values.schema import Fault, Json


class KillSwitch(PersonView):
    """Whether everything is stopped; stopping it, and lifting that."""

    @documented("Whether everything is stopped", name="read_stop", answers={200: "StopState"}, tag="people")
    def get(self, call: Call) -> Response:
        return Response(_stop_document(kill_switch.standing()))

    @documented(
        "Stop everything",
        name="stop",
        body="StopOrder",
        answers={200: "StopState"},
        problems=[400, 413, 415, 422],
        tag="people",
    )
    def post(self, call: Call) -> Response:
        person = _allowed(self.person(call))
        body = call.shaped("StopOrder")
        why = str(body["why"]).strip()
        if not why:
            raise invalid([Fault("/why", "Say why, in a few words.")])
        return Response(_stop_document(kill_switch.stop(by=person, why=why)))

    @documented(
        "Lift the stop, with one's password",
        name="lift_stop",
        body="StopLift",
        answers={200: "StopState"},
        problems=[400, 413, 415, 422],
        tag="people",
    )
    def delete(self, call: Call) -> Response:
        person = _allowed(self.person(call))
        body = call.shaped("StopLift")
        if not ratelimit.consume(call._request, action="reauthenticate", user=person):
            raise Problem(429, "too_many_requests", "Too many passwords were tried.", headers={"Retry-After": "60"})
        if not person.check_password(str(body["password"])):
            raise Problem(403, "fresh_login_needed", "Lifting the stop takes your password, and this is another one.")
        kill_switch.lift(by=person)
        return Response(_stop_document(kill_switch.standing()))


def _allowed(person: User) -> User:
    if not access.may_stop(person):
        raise NotAllowed("You may not stop everything, or lift that.")
    return person


def _stop_document(stop: Stop | None) -> dict[str, Json]:
    return {
        "stopped": stop is not None,
        "since": moment(stop.began_at) if stop else None,
        "by": stop.by.name if stop and stop.by else None,
        "why": stop.why if stop else None,
    }
