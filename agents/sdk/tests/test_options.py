"""An option that there is not is a TypeError: `redacts=` sends no card number."""

import pytest

import assent
from assent import AsyncAssent

REFUND = {"order": "456", "card": "4111"}


@pytest.fixture
def aclient(fake, tmp_path):
    return AsyncAssent(fake.url, fake.key, transport=fake.transport, state=tmp_path)


WAYS = {
    "submit": lambda client, **options: client.submit("refund", REFUND, **options),
    "ask": lambda client, **options: client.ask("Why?", **options),
    "plan": lambda client, **options: client.plan([], **options),
    "evaluate": lambda client, **options: client.evaluate("refund", REFUND, **options),
    "guard": lambda client, **options: client.guard("refund", REFUND, **options),
    "call": lambda client, **options: client.call("refund", REFUND, dict, **options),
    "requires_approval": lambda client, **options: client.requires_approval("refund", **options),
    "run.step": lambda client, **options: client.run("r").step("pay", action="refund", args=REFUND, **options),
    "run.do": lambda client, **options: client.run("r").do("pay", dict, action="refund", args=REFUND, **options),
    "run.guard": lambda client, **options: client.run("r").guard("refund", REFUND, **options),
    "run.call": lambda client, **options: client.run("r").call("refund", REFUND, dict, **options),
    "amend": lambda client, **options: client.amend("1", **options),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_a_misspelt_option_is_refused_before_anything_is_sent(fake, client, way):
    with pytest.raises(TypeError, match="redacts"):
        way(client, redacts=["card"])
    assert fake.exchanges == []


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
async def test_the_asynchronous_client_refuses_the_same(fake, aclient, way):
    with pytest.raises(TypeError, match="redacts"):
        await way(aclient, redacts=["card"])
    assert fake.exchanges == []


def test_the_decorator_of_the_environment_refuses_it_too():
    with pytest.raises(TypeError, match=r"no option 'redacts'\. Did you mean 'redact'\?"):
        assent.requires_approval("refund", redacts=["card"])


def test_what_describe_returns_is_held_to_the_same_options(fake, client):
    refund = client.requires_approval("refund", describe=lambda args: {"sumary": "x"})(lambda order: order)
    with pytest.raises(TypeError, match="Did you mean 'summary'"):
        refund("456")
    assert fake.exchanges == []


@pytest.mark.parametrize("way", ["submit", "ask", "plan", "evaluate"])
def test_options_of_running_are_none_of_asking(fake, client, way):
    with pytest.raises(TypeError, match="wait_s"):
        WAYS[way](client, wait_s=1)


@pytest.mark.parametrize("way", ["guard", "call", "requires_approval", "run.call", "run.guard"])
def test_a_choice_that_there_is_not_is_refused(fake, client, way):
    with pytest.raises(ValueError, match="on_rejection is one of raise, alternative"):
        WAYS[way](client, on_rejection="alternativ")
    assert fake.exchanges == []


def test_one_text_is_no_list(fake, client):
    with pytest.raises(TypeError, match=r"a list, not one text: \['card'\]"):
        client.submit("refund", REFUND, redact="card")
    with pytest.raises(TypeError, match="a list of parameters"):
        client.requires_approval("refund", without="x")(lambda x: x)


def test_every_option_that_is_declared_is_taken(fake, client):
    from assent import options
    from assent.shapes import GuardOptions, StepGuardOptions, SubmissionOptions

    for check, kind in (
        (options.asking, SubmissionOptions),
        (options.guarding, GuardOptions),
        (options.step_guarding, StepGuardOptions),
    ):
        check(dict.fromkeys(kind.__optional_keys__), "it")
