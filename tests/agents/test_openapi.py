"""The published document is the code's: every route is in it, and everything it refers to is there."""

import json
import re
from collections.abc import Iterator

import jsonschema_rs
import pytest
from django.test import Client
from django.urls import URLPattern

import console.settings
from agents.schemas import COMPONENTS
from agents.urls import urlpatterns
from approvals.values import texts

# Not of the contract: the document, its page, and the answer to what is nowhere.
UNLISTED = {"openapi", "docs", "missing"}

# What is answered otherwise than as one JSON document.
MEDIA = {"listen": "text/event-stream", "feedback": "application/x-ndjson"}


@pytest.fixture
def document(db, anon) -> dict:
    response = anon.get("openapi.json")
    assert response.status_code == 200
    return response.json()


def routes() -> Iterator[tuple[str, str]]:
    """Path as the document writes it, and method, of every route of the API."""
    for pattern in urlpatterns:
        assert isinstance(pattern, URLPattern)
        if pattern.name in UNLISTED:
            continue
        path = "/api/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern)).replace("{pk}", "{id}")
        for method in ("get", "post", "put", "patch", "delete"):
            if hasattr(pattern.callback.cls, method):
                yield path, method


def test_every_route_is_in_the_document_and_nothing_else(document):
    documented_routes = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert documented_routes == set(routes())


def test_the_document_is_openapi_and_refers_to_nothing_that_is_missing(document):
    assert document["openapi"].startswith("3.1")
    names = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert names <= set(document["components"]["schemas"])
    for name in document["components"]["schemas"]:
        shape = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": document["components"]["schemas"]}}
        jsonschema_rs.validator_for(shape)


def test_every_shape_is_used(document):
    assert set(document["components"]["schemas"]) == set(COMPONENTS)
    used = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert used == set(COMPONENTS)


def test_every_operation_has_a_name_an_answer_and_its_refusals(document):
    names = set()
    for methods in document["paths"].values():
        for operation in methods.values():
            names.add(operation["operationId"])
            assert operation["summary"]
            assert operation["security"] == [{"key": []}]
            assert {"401", "403", "429"} <= operation["responses"].keys()
            for status, response in operation["responses"].items():
                kinds = set(response["content"])
                usual = MEDIA.get(operation["operationId"], "application/json")
                assert kinds == {usual if status < "400" else "application/problem+json"}
    assert len(names) == sum(1 for _ in routes())


def test_the_fields_of_the_contract_have_their_names(document):
    schemas = document["components"]["schemas"]
    assert set(schemas["Item"]["properties"]) == {
        "id", "action", "question", "plan", "allowed", "summary", "reasoning", "context", "alternatives", "signals",
        "value", "subject", "current", "preconditions", "rename_to", "remember", "args_schema", "attachments",
        "undo",
    }  # fmt: skip
    assert set(schemas["ItemsRequest"]["properties"]) == {
        "idempotency_key", "run", "decide", "items", "timeout_s", "on_timeout", "agent", "resume", "callback_url",
        "labels",
    }  # fmt: skip
    assert set(schemas["ItemState"]["properties"]) >= {
        "id", "status", "route", "gate", "tier", "revision", "action_digest", "reason_code", "reasons", "due_at",
        "expires_at", "on_timeout", "expected_wait_s",
    }  # fmt: skip
    assert set(schemas["DecidedItem"]["properties"]) >= {
        "id", "status", "verdict", "alternative", "source", "action", "action_digest", "answer", "message", "stop",
        "remember", "compensate", "plan", "guidance", "decided_at", "decided_by", "policy_version",
    }  # fmt: skip


def test_the_page_loads_files_only_as_its_policy_allows(db, settings):
    settings.MIDDLEWARE = console.settings.MIDDLEWARE  # a page, under the pages' handler
    response = Client().get("/api/docs/")
    page = response.content.decode()

    assert response.status_code == 200
    assert "script-src 'self'" in response["Content-Security-Policy"]
    assert "<style" not in page and " style=" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    script = Client().get("/api/docs/?script")
    assert script["Content-Type"].startswith("application/javascript")
    assert "/api/v1/openapi.json" in script.content.decode()


def operations(document) -> Iterator[dict]:
    for methods in document["paths"].values():
        yield from methods.values()


def test_bodies_are_needed_unless_an_operation_goes_without(document):
    bodies = {
        one["operationId"]: one["requestBody"]["required"] for one in operations(document) if "requestBody" in one
    }

    assert {name for name, needed in bodies.items() if not needed} == {"cancel_request", "claim", "end_run"}
    assert len(bodies) > 10


def test_every_operation_says_what_a_wrong_method_and_a_missing_database_are_answered(document):
    for operation in operations(document):
        assert {"405", "503"} <= operation["responses"].keys(), operation["operationId"]


def test_parameters_have_their_types(document):
    loose = []
    for operation in operations(document):
        for parameter in operation.get("parameters", ()):
            schema = parameter["schema"]
            bounded = schema.keys() & {"format", "pattern", "enum", "maxLength", "maximum"}
            if parameter["in"] != "path" and not bounded:
                loose.append((operation["operationId"], parameter["name"]))
    assert loose == []
    by_name = {one["operationId"]: one.get("parameters", ()) for one in operations(document)}
    [wait] = [one for one in by_name["read_decision"] if one["name"] == "wait"]
    assert (wait["schema"]["type"], wait["schema"]["maximum"]) == ("number", 60)
    [limit] = [one for one in by_name["list_requests"] if one["name"] == "limit"]
    assert (limit["schema"]["type"], limit["schema"]["maximum"]) == ("integer", 200)


def test_spans_of_time_are_numbers_with_fractions(document):
    def spans(node):
        if isinstance(node, dict):
            for name, schema in node.get("properties", {}).items():
                if name.endswith("_s") or name == "seconds":
                    yield name, schema
            for part in node.values():
                yield from spans(part)
        elif isinstance(node, list):
            for part in node:
                yield from spans(part)

    kinds = {name: schema["type"] for name, schema in spans(document["components"])}
    assert kinds.keys() >= {"timeout_s", "expected_wait_s", "pending_s", "expires_after_s", "seconds"}
    assert set(kinds.values()) == {"number"}


def test_every_operation_has_an_example_that_is_of_its_shape(document):
    components = {"schemas": document["components"]["schemas"]}

    def holds(schema, example, where):
        validator = jsonschema_rs.validator_for({"allOf": [schema], "components": components}, validate_formats=True)
        errors = [f"{error.message} at {error.instance_path}" for error in validator.iter_errors(example)]
        assert errors == [], (where, example)

    for operation in operations(document):
        name = operation["operationId"]
        for media in operation.get("requestBody", {"content": {}})["content"].values():
            holds(media["schema"], media["example"], f"{name} sends")
        for status, response in operation["responses"].items():
            if status < "400":
                for media in response["content"].values():
                    holds(media["schema"], media["example"], f"{name} {status}")
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                holds(parameter["schema"], parameter["example"], f"{name} {parameter['name']}")


def test_a_verdict_may_say_as_much_by_the_api_as_on_the_page():
    given = COMPONENTS["Verdict"]["properties"]
    assert {given["message"]["maxLength"], given["guidance"]["maxLength"]} == {texts.MESSAGE}
    assert COMPONENTS["PlanStepEdit"]["properties"]["message"]["maxLength"] == texts.WHY
