"""The order in which a schema's author wrote its fields is the order in which people read them, wherever it went."""

from django.urls import reverse

from approvals.models import ActionType, PolicyVersion, Proposal
from approvals.models.states import ItemType
from approvals.policy import snapshot
from approvals.policy.authoring import file_writer, packs, versions
from approvals.policy.authoring.documents import snapshot_of_tables
from approvals.requests.submission import Item
from console.card.facts import facts_of

INNER = {"type": "object", "properties": {"zip": {"type": "string"}, "city": {"type": "string"}}}
SCHEMA = {
    "type": "object",
    "properties": {"to": {"type": "string"}, "body": {"type": "string"}, "at": INNER, "amount": {"type": "number"}},
}
PLAIN = {"value_path": "", "currency_path": "", "subject_path": "", "subject_kind": "", "headline": "mail"}


def orders(schema) -> list:
    return [list(schema["properties"]), list(schema["properties"]["at"]["properties"])]


def test_a_schema_keeps_its_order_in_its_row_and_in_the_version(action_type):
    action_type("mail", schema=SCHEMA, **PLAIN)

    assert orders(ActionType.objects.get(name="mail").schema) == orders(SCHEMA)
    newest = PolicyVersion.objects.first()
    assert orders(newest.snapshot["types"]["mail"]["schema"]) == orders(SCHEMA)
    assert orders(snapshot.load(newest.number).types["mail"].schema) == orders(SCHEMA)


def test_another_order_is_another_version_and_is_said(action_type):
    made = action_type("mail", schema=SCHEMA, **PLAIN)
    before = PolicyVersion.objects.first()
    made.schema = {**SCHEMA, "properties": dict(reversed(SCHEMA["properties"].items()))}
    made.save()
    draft = versions.draft()
    assert draft.differs
    [change] = draft.changes
    assert (change.before, change.after) == ("to, body, at, amount", "amount, at, body, to")

    after = snapshot.publish(by=None, note="another order")
    assert after.number == before.number + 1
    assert snapshot.current().types["mail"].schema_version == 1
    assert snapshot.publish(by=None, note="again").number == after.number


def test_the_policy_file_carries_the_order(action_type):
    action_type("mail", schema=SCHEMA, **PLAIN)
    text = file_writer.toml(snapshot_of_tables(), {"commerce": "Commerce"})
    ActionType.objects.filter(name="mail").update(schema={})
    snapshot.publish(by=None, note="without a schema")
    versions.import_file(text)

    assert orders(ActionType.objects.get(name="mail").schema) == orders(SCHEMA)


def test_what_an_agent_sends_keeps_its_order_too(propose, refunds):
    packs.load("core")
    snapshot.publish(by=None, note="core")
    question = Item(
        id="q",
        item_type=ItemType.QUESTION,
        prompt="Where to?",
        response_schema=SCHEMA,
        best_guess={"to": "b", "amount": 1},
    )
    approval = propose(items=(question,))
    assert orders(Proposal.objects.get(approval=approval).schema) == orders(SCHEMA)
    assert list(Proposal.objects.get(approval=approval).best_guess) == ["to", "amount"]

    refund = propose(args={"order": "1", "currency": "EUR", "amount": 1})
    assert list(Proposal.objects.get(approval=refund).args) == ["order", "currency", "amount"]


def test_the_card_and_the_form_read_in_the_schemas_order_then_in_the_agents(action_type, propose, alice, as_):
    action_type("mail", schema=SCHEMA, **PLAIN)
    args = {"zoo": 1, "amount": 2, "at": {"city": "Ulm", "zip": "1"}, "apple": 3, "to": "x"}
    approval = propose(action="mail", args=args, subject="x")

    facts = facts_of(approval.proposal.args, approval.action_type.schema)
    assert [fact.path for fact in facts] == ["to", "at.zip", "at.city", "amount", "zoo", "apple"]
    shown = {"version": approval.version}
    page = (
        as_(alice)
        .get(reverse("card:modify", args=[approval.pk]), shown, headers={"HX-Request": "true"})
        .content.decode()
    )
    places = [page.index(f'data-control="/{name}"') for name in ("to", "body", "at/zip", "at/city", "amount", "zoo")]
    assert places == sorted(places)


def test_a_schema_typed_in_the_admin_keeps_its_order(action_type, root, as_):
    made = action_type("mail", schema=SCHEMA, **PLAIN)
    page = as_(root).get(reverse("admin:approvals_actiontype_change", args=[made.pk])).content.decode()

    assert page.index("&quot;to&quot;") < page.index("&quot;body&quot;") < page.index("&quot;zip&quot;")
