"""Files beside proposals: sent once as they are, or as a form; referred to by id."""

from django.http.multipartparser import MultiPartParserError
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.response import Response

from agents.api.base import AgentView, Call, Query, refusals, typed
from agents.problems import Problem, invalid
from agents.schemas.build import ref, text
from approvals.models import Attachment
from approvals.requests import attachments
from approvals.values.schema import Fault

_FORM = "multipart/form-data"
_FRAME = 64 * 1024  # what a form adds to its file
_BINARY = {"type": "string", "format": "binary"}


class Attachments(AgentView):
    """PDF, PNG, JPEG, GIF, WebP, plain text, CSV and JSON, to 10 MB."""

    @extend_schema(
        summary="Send a file that items can refer to; the same file again is the one there is",
        operation_id="attach",
        tags=["agents"],
        request={
            "application/octet-stream": _BINARY,
            **dict.fromkeys(attachments.ENDINGS, _BINARY),
            _FORM: {"type": "object", "properties": {"file": _BINARY}, "required": ["file"]},
        },
        responses={
            201: OpenApiResponse(dict(ref("Attachment")), ""),
            200: OpenApiResponse(dict(ref("Attachment")), ""),
            **refusals([400, 413, 422]),
        },
        parameters=typed({"name": text(1000, says="The file's name.")}, "query"),
    )
    def post(self, call: Call) -> Response:
        name = Query(call, ["name"]).text("name")
        claimed, content, own_name = _file(call)
        kept, new = attachments.keep(self.agent(call), name=(name or own_name)[:1000], claimed=claimed, content=content)
        return Response(of_attachment(kept), status=201 if new else 200)


def of_attachment(kept: Attachment) -> dict[str, object]:
    return {
        "id": str(kept.pk),
        "name": kept.name,
        "media_type": kept.media_type,
        "size": kept.size,
        "digest": kept.digest,
    }


def _file(call: Call) -> tuple[str, bytes, str]:
    """What is claimed of it, its bytes, and the name that a form gives it. Raises Problem 400, 413, 422."""
    request = call._request
    kind = request.content_type or ""
    if kind != _FORM:
        content = request.read(attachments.LARGEST + 1)
        if len(content) > attachments.LARGEST:
            raise _too_large()
        return kind, content, ""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdecimal() and int(length) > attachments.LARGEST + _FRAME:
        raise _too_large()
    try:
        sent = request.FILES.getlist("file")
    except MultiPartParserError as error:
        raise Problem(400, "malformed_form", "The form cannot be read.") from error
    if len(sent) != 1 or len(request.FILES) != 1:
        raise invalid([Fault("/file", "One part of the form, called file.")])
    if sent[0].size is None or sent[0].size > attachments.LARGEST:
        raise _too_large()
    return sent[0].content_type or "", sent[0].read(), sent[0].name or ""


def _too_large() -> Problem:
    return Problem(413, "body_too_large", "A file has at most 10 MB.")
