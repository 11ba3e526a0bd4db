"""The OpenAPI document, generated from the endpoints and the shapes they check with, and the page that shows it."""

from functools import cache

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularSwaggerSplitView

from agents import problems
from agents.api import examples
from agents.schemas import COMPONENTS
from approvals.values.schema import Json


def complete(
    result: dict[str, dict[str, dict[str, Json]]], generator: SchemaGenerator, request: object, public: bool
) -> dict[str, dict[str, dict[str, Json]]]:
    """Hook of drf-spectacular: the named shapes that the endpoints refer to, and an example for each operation."""
    result.setdefault("components", {}).setdefault("schemas", {}).update(COMPONENTS)
    for operations in result["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict):
                examples.add(operation)
    return result


@cache
def document() -> Json:
    """The OpenAPI document; it changes with the code only."""
    schema: Json = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return schema


@require_GET
def openapi(request: HttpRequest) -> HttpResponse:
    return JsonResponse(document(), headers={"Cache-Control": "max-age=300"})


class Docs(SpectacularSwaggerSplitView):
    """The document as a page; scripts and styles are files, as the content security policy wants them."""

    url_name = "api:openapi"
    template_name = "agents/docs.html"


def missing(request: HttpRequest, **_: object) -> HttpResponse:
    """Whatever is nowhere else: the same problem document as for somebody else's request."""
    problem = problems.not_found()
    return JsonResponse(problem.document(), status=404, content_type=problems.MEDIA_TYPE)
