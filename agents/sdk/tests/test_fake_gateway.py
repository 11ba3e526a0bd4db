"""The fake gateway answers as told, remembers what happened, and keeps the wire's own rules."""

import threading

import httpx
import pytest

from assent.digest import action_digest
from assent.testing import FakeGateway, NoInstruction

REFUND = {"order": "456", "amount": "420.00", "currency": "EUR"}


@pytest.fixture
def fake() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def http(fake):
    with httpx.Client(
        base_url=f"{fake.url}/api/v1/", transport=fake.transport, headers={"Authorization": f"Bearer {fake.key}"}
    ) as client:
        yield client


def ask(http, action: str = "refund", args: object = None, **more: object) -> dict:
    return http.post("requests", json={"action": action, "args": args or REFUND, **more}).raise_for_status().json()


def decided(http, request: dict) -> dict:
    answer = http.get(f"requests/{request['id']}/decision", params={"wait": 25})
    assert answer.status_code == 200, answer.text
    [item] = answer.json()["items"]
    return item


def use(http, item: dict, *, attempt: str = "a", **more: object) -> httpx.Response:
    import base64
    import json

    claims = json.loads(base64.urlsafe_b64decode(item["permit"].split(".")[1] + "=="))
    body = {"permit": item["permit"], "action_digest": item["action_digest"], "attempt": attempt, **more}
    return http.post(f"permits/{claims['jti']}/consume", json=body)


def test_what_was_approved_carries_a_permit_of_exactly_that(fake, http):
    fake.approve("refund")
    request = ask(http)
    assert request["status"] == "pending"  # as from a person, who takes a moment
    item = decided(http, request)
    assert (item["verdict"], item["action"]) == ("approve", {"name": "refund", "args": REFUND})
    assert item["action_digest"] == action_digest(agent="test-agent", action="refund", schema_version=1, args=REFUND)
    used = use(http, item).raise_for_status().json()
    assert (used["action"], used["replayed"]) == ("refund", False)
    http.post(f"requests/{request['id']}/items/1/outcome", json={"result": "succeeded"}).raise_for_status()
    fake.assert_asked("refund", times=1, amount="420.00")
    fake.assert_ran("refund", order="456")
    fake.assert_reported("succeeded", action="refund")
    fake.assert_all_reported()


def test_a_modification_replaces_the_arguments_and_the_digest(fake, http):
    fake.modify("refund", {"amount": "200.00"}, message="goodwill limit")
    item = decided(http, ask(http))
    assert item["action"]["args"] == {**REFUND, "amount": "200.00"}
    assert item["message"] == "goodwill limit"
    fake.modify("refund", lambda args: {**args, "amount": "1.00"})
    again = decided(http, ask(http))
    assert again["action"]["args"]["amount"] == "1.00"
    assert again["action_digest"] != item["action_digest"]


def test_each_ending_is_its_own(fake, http):
    fake.reject("too much", stop=True)
    item = decided(http, ask(http))
    assert (item["verdict"], item["source"], item["message"], item["stop"]) == ("reject", "human", "too much", True)
    fake.refuse("no refunds on Sundays")
    request = ask(http)
    assert request["status"] == "decided" and request["items"][0]["reasons"][0]["text"] == "no refunds on Sundays"
    assert request["decision"]["items"][0]["source"] == "policy"
    fake.expire()
    assert (item := decided(http, ask(http)))["status"] == "expired" and item["verdict"] is None
    fake.withdraw()
    assert decided(http, ask(http))["status"] == "cancelled"
    fake.answer("Tuesday")
    question = http.post("requests", json={"question": {"prompt": "When?"}}).json()
    assert decided(http, question)["answer"] == "Tuesday"
    fake.assert_nothing_ran()


def test_instructions_with_times_are_used_up_first_in_their_order(fake, http):
    fake.approve()
    fake.reject("first", times=1)
    fake.reject("second", times=1)
    messages = [decided(http, ask(http))["message"] for _ in range(3)]
    assert messages == ["first", "second", None]


def test_what_is_held_waits_until_it_is_answered(fake, http):
    fake.hold("refund")
    request = ask(http)
    assert http.get(f"requests/{request['id']}/decision?wait=25").status_code == 202
    fake.approve("refund")
    assert decided(http, request)["verdict"] == "approve"


def test_waiting_for_what_nobody_told_is_an_error_of_the_test(fake, http):
    request = ask(http)
    with pytest.raises(NoInstruction, match=r"refund.*Say fake\.approve\('refund'\)"):
        http.get(f"requests/{request['id']}/decision?wait=25")
    assert http.get(f"requests/{request['id']}/decision").status_code == 202  # only looking is fine


def test_a_reviewers_question_is_answered_before_the_verdict(fake, http):
    fake.approve("refund", question="Which order?")
    request = ask(http)
    pending = http.get(f"requests/{request['id']}/decision?wait=1").json()
    [question] = pending["questions"]
    assert question["text"] == "Which order?"
    http.post(f"questions/{question['id']}/answer", json={"answer": "456"}).raise_for_status()
    assert decided(http, request)["verdict"] == "approve"


def test_the_same_key_is_the_same_request_and_never_another(fake, http):
    fake.approve()
    first, again = (
        ask(http, idempotency_key="k"),
        http.post("requests", json={"action": "refund", "args": REFUND, "idempotency_key": "k"}),
    )
    assert again.json()["id"] == first["id"]
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    other = http.post("requests", json={"action": "refund", "args": {}, "idempotency_key": "k"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    fake.assert_asked("refund", times=1)


def test_a_permit_is_used_once_and_a_lost_answer_may_be_asked_again(fake, http):
    fake.approve()
    item = decided(http, ask(http))
    with fake.loses_answer("consume"), pytest.raises(httpx.ReadTimeout):
        use(http, item)
    assert use(http, item).json()["replayed"] is True
    other = use(http, item, attempt="b")
    assert (other.status_code, other.json()["code"]) == (409, "permit_consumed")
    fake.assert_ran("refund", times=1)
    with pytest.raises(AssertionError, match="nobody said what came of it"):
        fake.assert_all_reported()


def test_a_permit_that_does_not_fit_or_is_over_is_refused(fake, http):
    fake.approve(permit_valid=-60)
    assert use(http, decided(http, ask(http))).json()["code"] == "permit_expired"
    fake.approve()
    item = decided(http, ask(http))
    assert use(http, {**item, "action_digest": "sha256:" + "0" * 64}).json()["code"] == "permit_mismatch"
    fake.later(3 * 86_400)
    assert use(http, item).json()["code"] == "permit_expired"
    fake.use_permits()
    assert use(http, item).json()["code"] == "permit_consumed"
    for how, code in (("signature", "permit_tampered"), ("digest", "permit_mismatch"), ("revision", "permit_mismatch")):
        fake.forge(how)
        assert use(http, decided(http, ask(http))).json()["code"] == code
    fake.assert_nothing_ran()


def test_when_the_world_moved_the_reviewer_is_asked_again(fake, http):
    fake.approve()
    item = decided(http, ask(http, preconditions={"status": "delivered"}))
    assert use(http, item).json()["code"] == "precondition_unknown"
    moved = use(http, item, preconditions={"status": "returned"})
    assert (moved.status_code, moved.json()["code"]) == (409, "world_moved")
    again = decided(http, {"id": moved.json()["returned"]["request"]})
    assert use(http, again, preconditions={"status": "returned"}).status_code == 200
    fake.returns_world_moved("refund")
    assert use(http, decided(http, ask(http))).json()["code"] == "world_moved"


def test_signatures_are_real(fake, http):
    serialisation = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    from base64 import urlsafe_b64decode

    fake.approve()
    old = fake.state.signer.kid
    fake.rotate_key()
    token = decided(http, ask(http))["permit"]
    keys = {one["kid"]: one for one in http.get(f"{fake.url}/.well-known/jwks.json").json()["keys"]}
    assert set(keys) == {old, fake.state.signer.kid}
    signed, _, signature = token.rpartition(".")
    public = urlsafe_b64decode(keys[fake.state.signer.kid]["x"] + "=")
    serialisation.Ed25519PublicKey.from_public_bytes(public).verify(
        urlsafe_b64decode(signature + "=="), signed.encode()
    )


def test_a_rejection_in_a_run_says_what_to_undo_newest_first(fake, http):
    for name in ("reserve", "charge"):
        undo = {"name": f"un{name}", "args": {"id": 1}}
        http.post("runs/case/7/steps", json={"id": name, "undo": undo}).raise_for_status()
    fake.reject("no")
    item = decided(http, ask(http, run={"id": "case/7"}))
    assert [one["step"] for one in item["compensate"]] == ["charge", "reserve"]
    http.post("runs/case/7/steps/charge/undo", json={"result": "succeeded"}).raise_for_status()
    run_state = http.get("runs/case/7").json()
    assert [one["step"] for one in run_state["compensate"]] == ["reserve"]
    assert run_state["steps"][1]["status"] == "undone"


def test_faults_come_and_go(fake, http):
    with fake.unreachable(), pytest.raises(httpx.ConnectError):
        http.get("whoami")
    assert http.get("whoami").json()["agent"] == "test-agent"
    fake.fails(503, "whoami", times=1)
    assert [http.get("whoami").status_code for _ in range(2)] == [503, 200]
    fake.unreachable("consume")
    assert http.get("whoami").status_code == 200
    with pytest.raises(ValueError, match="no such endpoint"):
        fake.unreachable("nonsense")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"action": "refund", "args": {}, "tier": 3}, "/tier"),
        ({"args": {}}, ""),
        ({"items": []}, "/items"),
        ({"items": [{"id": "1", "action": {"name": "a"}, "nonsense": 1}]}, "/items/0/nonsense"),
    ],
)
def test_what_the_gateway_would_not_take_it_does_not_take_either(fake, http, body, pointer):
    answer = http.post("requests", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_another_key_is_no_key(fake, http):
    assert http.get("whoami", headers={"Authorization": "Bearer asn_other"}).status_code == 401
    assert http.get("nonsense").status_code == 404


async def test_the_same_gateway_serves_async_clients_and_other_processes(fake):
    headers = {"Authorization": f"Bearer {fake.key}"}
    fake.approve()
    async with httpx.AsyncClient(base_url=fake.url, transport=fake.transport, headers=headers) as client:
        request = (await client.post("/api/v1/requests", json={"action": "refund", "args": {}})).json()
        answer = await client.get(f"/api/v1/requests/{request['id']}/decision?wait=25")
        assert answer.json()["items"][0]["verdict"] == "approve"
    with fake.served() as url, httpx.Client(base_url=url, headers=headers) as client:
        assert client.get("/api/v1/whoami").json()["agent"] == "test-agent"
        held = client.post("/api/v1/requests", json={"action": "deploy", "args": {}}).json()
        assert client.get(f"/api/v1/requests/{held['id']}/decision?wait=25").status_code == 200
    fake.assert_asked("deploy")


def test_the_served_gateway_wakes_who_waits(fake):
    fake.longest_hold = 5
    fake.hold()
    headers = {"Authorization": f"Bearer {fake.key}"}
    with fake.served() as url, httpx.Client(base_url=f"{url}/api/v1/", headers=headers) as client:
        request = ask(client)
        timer = threading.Timer(0.2, fake.approve)
        timer.start()
        assert decided(client, request)["verdict"] == "approve"
        timer.join()


def test_assertions_say_what_there_was(fake, http):
    fake.approve()
    ask(http)
    with pytest.raises(AssertionError, match=r"never with \{'amount': '1'\}; there was:\n  refund\("):
        fake.assert_asked("refund", amount="1")
    with pytest.raises(
        AssertionError, match="expected 1 permits of 'refund' to be used, there were 0; there was: noth"
    ):
        fake.assert_ran("refund")
    with pytest.raises(AssertionError, match="expected anything not to be asked for"):
        fake.assert_not_asked()
    with pytest.raises(AssertionError, match="to be reported 'succeeded'"):
        fake.assert_reported("succeeded")
