"""Every refusal of the API as an RFC 9457 problem document with a stable code, and one bounded line in the log."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import psycopg
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from agents.documents import addresses_of, moment, stage_fields
from approvals.decisions.agent_questions import AnsweredDifferently
from approvals.errors import BadVerdict, NoLongerPending, NotAllowed, NotOffered, OutOfDate, ReviewError, Stopped
from approvals.execution.agent_reports import Contradiction, NotDecided, RequestAlreadyClosed
from approvals.execution.consume import PAUSED, TAMPERED, ForeignPermit, PermitRefused, Unobserved, WorldMoved
from approvals.execution.incidents import NothingRan
from approvals.execution.leases import Leased, NothingSettled
from approvals.execution.recall import TooLate
from approvals.execution.rollback import NothingUndoesIt
from approvals.execution.rollback import UndoAlreadyClosed as UndoClosed
from approvals.execution.steps import NotApproved, RunStopped, StepDiffers, TooManySteps
from approvals.links import Page, link
from approvals.policy.snapshot import NoPolicy
from approvals.requests.amend import NotAmendable
from approvals.requests.attachments import QuotaExceeded
from approvals.requests.submission import BadSubmission, KeyInFlight, KeyReused, Locked
from approvals.values.schema import Fault, Json, pointer_of

MEDIA_TYPE = "application/problem+json"
_ERRORS_SHOWN = 50
_FORBIDDEN = frozenset({TAMPERED, PAUSED})  # refusals of a permit that no later try will be spared
_LINE = 400  # characters of a log line that a caller can influence

logger = logging.getLogger(__name__)


class Problem(exceptions.APIException):
    """A refusal. `code` is stable and for programs, `detail` one sentence for people, `faults` point at fields."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        faults: Sequence[Fault] = (),
        *,
        extra: Mapping[str, Json] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail, code)
        self.status_code = status
        self.code = code
        self.sentence = detail
        self.faults = tuple(faults)
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})

    def document(self) -> dict[str, Json]:
        """The problem as JSON: type, title, status, detail, code, and errors where fields are at fault."""
        document: dict[str, Json] = {
            "type": f"{link(Page.ERRORS)}#{self.code}",
            "title": HTTPStatus(self.status_code).phrase,
            "status": self.status_code,
            "detail": self.sentence,
            "code": self.code,
        }
        if self.faults:
            document["errors"] = [
                {"pointer": fault.pointer, "message": fault.message} for fault in self.faults[:_ERRORS_SHOWN]
            ]
        return {**document, **self.extra}


def invalid(faults: Sequence[Fault]) -> Problem:
    """422: the request was understood, and its fields cannot be taken."""
    first = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    where = first.pointer or "the request"
    return Problem(422, "invalid_request", f"{where}: {first.message}{more}"[:500], faults)


def not_found() -> Problem:
    """404, the same for what is not there and for what belongs to somebody else."""
    return Problem(404, "not_found", "There is nothing here that this key may read.")


def unauthorized() -> Problem:
    """401: no key, or none that is in force."""
    return Problem(
        401,
        "unauthorized",
        "Send a key that is in force: Authorization: Bearer <key>.",
        headers={"WWW-Authenticate": 'Bearer realm="assent"'},
    )


def agents_only() -> Problem:
    """403: a person's token where an agent speaks."""
    return Problem(403, "agents_only", "This needs an agent's key (asn_…).")


def scope_missing(scope: str) -> Problem:
    """403: the key is the agent's, and was not made for this."""
    scope = str(scope)  # the word itself, of a choice
    return Problem(
        403, "scope_missing", f"This key may not do this: it lacks the scope {scope!r}.", extra={"scope": scope}
    )


def people_only() -> Problem:
    """403: an agent's key where a person speaks."""
    return Problem(403, "people_only", "This needs a personal token (asp_…).")


def of(error: Exception) -> Problem | None:
    """The problem that an exception means to a caller; None for a surprise."""
    match error:
        case Problem():
            return error
        case BadSubmission():
            return invalid(error.faults)
        case KeyReused():
            return Problem(422, "idempotency_key_reused", "This idempotency key was used for another request.")
        case OperationalError() | InterfaceError() | psycopg.OperationalError():
            detail = "The database cannot be reached, or is too busy. What you sent was not taken."
            return Problem(503, "unavailable", detail, headers={"Retry-After": "2"})
        case Locked():
            detail = "Others are changing what this call needs. Again in a second."
            return Problem(503, "busy", detail, headers={"Retry-After": "1"})
        case KeyInFlight():
            detail = "A request with this idempotency key is being taken at this moment."
            return Problem(409, "idempotency_key_in_flight", detail, headers={"Retry-After": "1"})
        case NotAmendable():
            return Problem(409, "no_longer_pending", str(error))
        case NothingRan():
            return Problem(409, "not_decided", str(error))
        case AnsweredDifferently():
            return Problem(409, "contradiction", str(error))
        case RequestAlreadyClosed():
            return Problem(409, "already_closed", str(error))
        case NotDecided() | NothingSettled():
            return Problem(409, "not_decided", str(error))
        case ForeignPermit():
            return Problem(404, "permit_foreign", str(error))
        case PermitRefused():
            return Problem(403 if error.code in _FORBIDDEN else 409, error.code, str(error))
        case Unobserved():
            faults = [Fault(pointer_of(["preconditions", name]), "This was not observed.") for name in error.names]
            return Problem(422, "precondition_unknown", str(error), faults)
        case WorldMoved():
            return Problem(
                409,
                "world_moved",
                str(error),
                extra={"returned": addresses_of(error.returned) if error.returned else None},
            )
        case Leased():
            return Problem(409, "leased", str(error), extra={"until": moment(error.until)})
        case StepDiffers():
            return Problem(409, "step_differs", str(error))
        case RunStopped():
            return Problem(409, "run_stopped", str(error))
        case QuotaExceeded():
            return Problem(429, "too_many_files", str(error), headers={"Retry-After": str(error.seconds)})
        case TooManySteps():
            return Problem(409, "too_many_steps", str(error))
        case NotApproved():
            return Problem(409, "not_decided", str(error))
        case NothingUndoesIt():
            return Problem(409, "nothing_undoes_it", str(error))
        case UndoClosed():
            return Problem(409, "undo_closed", str(error))
        case Contradiction():
            return Problem(409, "contradiction", str(error))
        case NoPolicy():
            return Problem(503, "no_policy", "No policy was published yet.", headers={"Retry-After": "60"})
        case NotOffered():
            return Problem(422, "verdict_not_offered", str(error), error.faults, extra={"offered": list(error.offered)})
        case BadVerdict():
            return Problem(422, "invalid_verdict", str(error), error.faults)
        case NotAllowed() | PermissionDenied():
            return Problem(403, "not_allowed", str(error) or "This is not allowed.")
        case OutOfDate():
            now: dict[str, Json] = {
                "revision": error.approval.revision,
                "round": error.approval.round,
                "digest": error.approval.digest,
                "stage": stage_fields(error.approval)["stage"],
            }
            return Problem(409, "out_of_date", str(error), extra={"now": now})
        case Stopped():
            return Problem(409, "stopped", str(error))
        case TooLate():
            used: dict[str, Json] = {"status": error.approval.status, "consumed_at": moment(error.used_at)}
            return Problem(409, "permit_consumed" if error.used_at else "not_released", str(error), extra={"now": used})
        case NoLongerPending():
            return Problem(409, "no_longer_pending", str(error), extra={"now": {"status": error.approval.status}})
        case ReviewError():
            return Problem(409, "conflict", str(error))
        case Http404() | exceptions.NotFound():
            return not_found()
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return unauthorized()
        case exceptions.MethodNotAllowed():
            return Problem(405, "method_not_allowed", str(error.detail))
        case exceptions.UnsupportedMediaType():
            return Problem(415, "unsupported_media_type", "Send the body as application/json in UTF-8.")
        case exceptions.APIException():
            return Problem(error.status_code, str(error.default_code), str(error.detail))
    return None


def handler(error: Exception, context: Mapping[str, object]) -> Response:
    """What DRF answers for an exception."""
    problem = problem_logged(error, _endpoint(context.get("request")))
    return Response(problem.document(), status=problem.status_code, headers=problem.headers, content_type=MEDIA_TYPE)


def problem_logged(error: Exception, endpoint: str) -> Problem:
    """The problem of an exception, logged. A surprise is logged with its trace, and told without one."""
    problem = of(error)
    if problem is None:
        logger.error("%s failed", ascii(endpoint[:200]), exc_info=error)
        return Problem(500, "internal_error", "Something went wrong here. What you sent was not taken.")
    log(problem, endpoint)
    return problem


def log(problem: Problem, endpoint: str) -> None:
    """One line, bounded, with nothing in it that could start another one."""
    logger.info(
        "%s %d %s %s", ascii(endpoint[:200]), problem.status_code, problem.code, ascii(problem.sentence[:_LINE])
    )


def _endpoint(request: object) -> str:
    return f"{getattr(request, 'method', '')} {getattr(request, 'path', '')}"
