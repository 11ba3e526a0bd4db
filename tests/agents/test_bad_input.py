"""Each bad request gets a clear refusal: a problem document, nothing stored, one bounded line in the log."""

import json
import logging

import pytest

from approvals.models import ApprovalRequest

GOOD = '"action": "refund", "args": {"order": "456", "amount": 1, "currency": "EUR"}'


@pytest.fixture(autouse=True)
def nothing_is_stored(db, refunds):
    yield
    assert not ApprovalRequest.objects.exists()


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "empty"),
        (b"{" + GOOD.encode(), "line 1"),
        (b"42", "object"),
        (b'"text"', "object"),
        (b"null", "object"),
        (b"[]", "object"),
        (b"[{" + GOOD.encode() + b"}]", "object"),
        (b'{"action": "refund", "action": "wire"}', "'action' appears twice"),
        (b'{"args": {"a": 1, "a": 2}}', "'a' appears twice"),
        (b'{"value": NaN}', "NaN"),
        (b'{"value": -Infinity}', "-Infinity"),
        (b'{"args": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "deep"),
        (b'{"summary": "\xff\xfe"}', "UTF-8"),
        (b'{"summary": "\xed\xa0\x80"}', "UTF-8"),
        (b"\xef\xbb\xbf{" + GOOD.encode() + b"}", "byte order mark"),
        (b'{"summary": "a\x00b"}', "Not JSON"),
        (b"{" + GOOD.encode() + b"} {}", "Not JSON"),
        (b"{'action': 'refund'}", "Not JSON"),
    ],
)
def test_what_is_not_strict_json_is_refused_with_the_reason(raw, says, api, refused):
    assert says in refused(api.raw("requests", raw), 400, "malformed_json")["detail"]


@pytest.mark.parametrize("text", ["a\\u0000b", "\\ud800", "x\\udfffy"])
def test_characters_that_cannot_be_stored_are_pointed_at(text, api, refused):
    refused(api.raw("requests", f'{{{GOOD}, "reasoning": "{text}"}}'.encode()), 422, "invalid_request", "/reasoning")
    refused(api.raw("requests", f'{{{GOOD}, "context": {{"{text}": 1}}}}'.encode()), 422, "invalid_request", "/context")


def test_a_body_deeper_than_32_is_refused(api, refused, request_body):
    deep: object = 1
    for _ in range(33):
        deep = {"a": deep}
    refused(api.post("requests", request_body(context=deep)), 422, "invalid_request")


def test_a_body_above_1_mb_is_refused(api, refused, request_body):
    refused(api.post("requests", request_body(reasoning="x" * 1_100_000)), 413, "body_too_large")
    refused(api.raw("requests", b"x" * 10_000_000), 413, "body_too_large")


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin-1",
        "",
    ],
)
def test_another_content_type_is_refused(kind, api, refused):
    refused(api.raw("requests", b"{" + GOOD.encode() + b"}", content_type=kind), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"']
)
def test_json_is_json_with_its_charset_too(kind, api, refused):
    refused(api.raw("requests", b"[]", content_type=kind), 400, "malformed_json")


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        # unknown and forbidden
        ({"colour": "red"}, "/colour"),
        ({"status": "decided"}, "/status"),
        ({"decided_by": "me"}, "/decided_by"),
        ({"tier": 1}, "/tier"),
        ({"route": "auto"}, "/route"),
        ({"agent": {"model": "m", "paused": False}}, "/agent/paused"),
        ({"run": {"id": "r", "owner": "x"}}, "/run/owner"),
        # what cannot be
        ({"action": "launch"}, "/action"),
        ({"action": ""}, "/action"),
        ({"action": 7}, "/action"),
        ({"action": "question"}, "/action"),
        ({"args": {"order": "456", "amount": "lots", "currency": "EUR"}}, "/args/amount"),
        ({"args": {"order": "456", "currency": "EUR"}}, "/args/amount"),
        ({"args": {"order": "456", "amount": 1, "currency": "EUR", "note": ""}}, "/args/note"),
        ({"args": None}, "/args"),
        ({"alternatives": [{"label": "None", "args": {}}]}, "/alternatives/0/args/order"),
        ({"alternatives": [{"args": {}}]}, "/alternatives/0/label"),
        ({"signals": {"stated_confidence": 1.7}}, "/signals/stated_confidence"),
        ({"signals": {"stated_confidence": -0.1}}, "/signals/stated_confidence"),
        ({"signals": {"stated_confidence": "high"}}, "/signals/stated_confidence"),
        ({"signals": {"stated_confidence": None}}, "/signals/stated_confidence"),
        ({"signals": {"stated_confidence": True}}, "/signals/stated_confidence"),
        ({"signals": [0.5]}, "/signals"),
        ({"value": "-420.00"}, "/value"),
        ({"value": -1}, "/value"),
        ({"value": "1e9"}, "/value"),
        ({"value": "four"}, "/value"),
        ({"timeout_s": 0}, "/timeout_s"),
        ({"timeout_s": -60}, "/timeout_s"),
        ({"timeout_s": 366 * 24 * 3600}, "/timeout_s"),
        ({"timeout_s": "60"}, "/timeout_s"),
        ({"timeout_s": "2026-11-21T09:00:00"}, "/timeout_s"),
        ({"on_timeout": "approve"}, "/on_timeout"),
        ({"on_timeout": "explode"}, "/on_timeout"),
        ({"on_timeout": "best_guess"}, "/on_timeout"),
        ({"decide": "whenever"}, "/decide"),
        ({"allowed": []}, "/allowed"),
        ({"allowed": ["approve", "approve"]}, "/allowed"),
        ({"allowed": ["obey"]}, "/allowed/0"),
        ({"allowed": ["answer"]}, "/allowed"),
        ({"args_schema": {"type": "object"}}, "/args_schema"),
        ({"resume": {"x": "y" * 70_000}}, "/resume"),
        ({"resume": None}, "/resume"),
        ({"callback_url": "ftp://example.com"}, "/callback_url"),
        ({"callback_url": "javascript:alert(1)"}, "/callback_url"),
        ({"labels": {"env": 1}}, "/labels/env"),
        ({"summary": "x" * 4001}, "/summary"),
        ({"subject": ""}, "/subject"),
        ({"run": {"name": "no id"}}, "/run/id"),
        ({"idempotency_key": 7}, "/idempotency_key"),
    ],
)
def test_a_field_that_cannot_be_is_named(fields, pointer, api, refused, request_body):
    refused(api.post("requests", request_body(**fields)), 422, "invalid_request", pointer)


ITEM = {"id": "a", "action": {"name": "refund", "args": {"order": "456", "amount": 1, "currency": "EUR"}}}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"items": []}, "/items"),
        ({"items": [ITEM] * 201}, "/items"),
        ({"items": {}}, "/items"),
        ({"items": [7]}, "/items/0"),
        ({"items": [ITEM], "action": "refund"}, "/action"),
        ({"items": [ITEM, ITEM]}, "/items/1/id"),
        ({"items": [{"id": "a"}]}, "/items/0"),
        ({"items": [{"action": ITEM["action"]}]}, "/items/0/id"),
        ({"items": [{**ITEM, "id": ""}]}, "/items/0/id"),
        ({"items": [{**ITEM, "id": "x" * 201}]}, "/items/0/id"),
        ({"items": [{**ITEM, "tier": 1}]}, "/items/0/tier"),
        ({"items": [{**ITEM, "question": {"prompt": "?"}}]}, "/items/0"),
        ({"items": [{**ITEM, "action": "refund"}]}, "/items/0/action"),
        ({"items": [{**ITEM, "action": {"args": {}}}]}, "/items/0/action/name"),
        ({"items": [{"id": "a", "question": {"prompt": ""}}]}, "/items/0/question/prompt"),
        ({"items": [{"id": "a", "plan": {"steps": []}}]}, "/items/0/plan/steps"),
        ({"args": {}}, "/args"),
    ],
)
def test_a_request_that_cannot_be_is_refused(body, pointer, api, refused):
    refused(api.post("requests", body), 422, "invalid_request", pointer)


def test_the_steps_of_a_plan_have_an_order_and_no_loop(api, refused):
    step = {"id": "s", "action": {"name": "refund"}}
    looped = {"plan": {"steps": [{**step, "depends_on": ["t"]}, {**step, "id": "t", "depends_on": ["s"]}]}}
    refused(api.post("requests", looped), 422, "invalid_request", "/plan/steps/0/depends_on")
    refused(api.post("requests", {"plan": {"steps": [step, step]}}), 422, "invalid_request", "/plan/steps/1/id")


def test_silence_can_never_approve_what_is_irreversible(api, action_type, refused, request_body):
    action_type("wire", reversibility="irreversible")
    refused(
        api.post("requests", request_body(action="wire", on_timeout="approve")), 422, "invalid_request", "/on_timeout"
    )


@pytest.mark.parametrize(
    "body", [{}, {"requests": []}, {"requests": {}}, {"requests": [7]}, {"requests": [{}], "x": 1}]
)
def test_a_bulk_call_that_cannot_be_is_refused(body, api, refused):
    refused(api.post("requests/bulk", body), 422, "invalid_request")


def test_a_bulk_call_has_no_key_of_its_own(api, refused, request_body):
    refused(api.post("requests/bulk", {"requests": [request_body()]}, Idempotency_Key="k"), 422, "invalid_request")


def test_many_faults_are_told_at_once_and_not_without_end(api, refused):
    problem = refused(api.post("requests", {"items": [{"id": ""}] * 200}), 422, "invalid_request")
    assert len(problem["errors"]) == 50


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("put", "requests"),
        ("delete", "requests"),
        ("get", "requests/bulk"),
        ("get", "evaluate"),
        ("options", "requests"),
    ],
)
def test_a_wrong_method_is_refused(method, path, api, refused):
    response = getattr(api.client, method)(f"/api/v1/{path}", headers=api.headers())
    refused(response, 405, "method_not_allowed")
    assert response["Allow"]


@pytest.mark.parametrize("path", ["", "nothing", "requests/", "requests/17", "requests/../admin", "inbox/x/decide"])
def test_what_is_nowhere_is_a_problem_document_too(path, api, refused):
    refused(api.get(path), 404, "not_found")


@pytest.mark.parametrize(
    "query",
    [{"limit": 0}, {"limit": -1}, {"limit": 10**9}, {"limit": "all"}, {"status": "held"}, {"since": "yesterday"},
     {"since": "2026-11-21T09:00:00"}, {"page": 2}, {"cursor": "x"}, {"status": ["pending", "decided"]}],
)  # fmt: skip
def test_a_list_is_asked_for_in_its_own_words(query, api, refused):
    refused(api.get("requests", **query), 422, "invalid_request", f"/{next(iter(query))}")


def test_the_log_gets_one_bounded_line_that_nobody_can_break(api, caplog, request_body):
    with caplog.at_level(logging.INFO, logger="agents.problems"):
        api.post("requests", request_body(**{"x\r\n2026 forged " + "y" * 5000: 1}))

    [record] = caplog.records
    line = record.getMessage()
    assert "422 invalid_request" in line
    assert len(line) < 800
    assert "\n" not in line and "\r" not in line


def test_a_surprise_is_told_without_its_trace_and_logged_with_it(api, refused, monkeypatch, request_body, caplog):
    monkeypatch.setattr("agents.submissions.read", lambda *_: 1 / 0)
    refused(api.raw("requests", json.dumps(request_body()).encode()), 500, "internal_error")
    assert "ZeroDivisionError" in caplog.text
