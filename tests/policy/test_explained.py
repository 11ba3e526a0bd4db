"""A condition in words that an admin reads without reading code."""

import pytest

from approvals.policy.rules.readings import explained

SCHEMA = {
    "properties": {
        "amount": {"type": "number", "title": "Amount"},
        "currency": {"type": "string", "title": "Currency"},
        "iban": {"type": "string", "title": "IBAN"},
        "lines": {"type": "array", "title": "Lines", "items": {"properties": {"price": {"title": "Price"}}}},
        "customer": {"title": "Customer", "properties": {"id": {"type": "string"}}},
        "new": {"type": "boolean", "title": "New customer"},
    }
}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('args.amount > 250.0 && args.currency == "EUR"', "amount is above 250 and currency is EUR"),
        ("value >= 1250.5", "the value is at least 1,250.5"),
        ("250.0 < value", "the value is above 250"),
        ("value == null", "the value is not there"),
        ("has(args.amount) && args.amount < 5.0", "amount is below 5"),
        ("has(args.amount)", "amount is given"),
        ("!has(args.iban)", "IBAN is not given"),
        ("has(args.iban) || args.amount > 5.0", "IBAN is given or amount is above 5"),
        ('args.currency in ["EUR", "USD"]', "currency is one of EUR, USD"),
        ('!(args.currency in ["EUR"])', "currency is none of EUR"),
        ('args.iban.startsWith("IR")', "IBAN begins with IR"),
        ('!args.iban.endsWith("99")', "IBAN does not end with 99"),
        ('args.iban.matches("(?i)a|b c|d")', "IBAN contains a, b c or d"),
        ('args.iban.matches("^DE[0-9]+")', "IBAN matches the pattern “^DE[0-9]+”"),
        ("args.new", "new customer is yes"),
        ("!args.new && args.new != true", "new customer is no and new customer is no"),
        ('args.customer.id == "7"', "customer id is 7"),
        ("size(args.lines) > 50", "the number of lines is above 50"),
        ("size(args.lines) > 0", "lines is not empty"),
        ("args.lines.exists(l, l.price > 5.0)", "for at least one of lines, its price is above 5"),
        ("double(args.amount) > value * 1.5", "amount is above the value \N{MULTIPLICATION SIGN} 1.5"),
        ("signals.precedent < 0.5", "the precedent is below 0.5"),
        ("context.freeze", "freeze (as the agent says) is yes"),
        ('run.rejected > 2 || agent == "robot"', "refusals in the run is above 2 or the agent is robot"),
        ('now.getDayOfWeek("Europe/Berlin") == 5', "it is Friday (Europe/Berlin)"),
        ("now.getDayOfWeek() in [0, 6]", "it is Sunday or Saturday (UTC)"),
        ("!(now.getMonth() == 11)", "it is not December (UTC)"),
        ('now.getHours("Europe/Berlin") >= 17', "the hour (Europe/Berlin) is at least 17"),
        ('now > timestamp("2026-12-24T18:00:00+01:00")', "it is after 2026-12-24 18:00 +01:00"),
        ('now < timestamp("2026-12-24T18:00:00Z")', "it is before 2026-12-24 18:00 UTC"),
        (
            '(value > 5.0 && agent == "a") || value > 9.0',
            "(the value is above 5 and the agent is a) or the value is above 9",
        ),
        ('!(value > 5.0 || agent == "a")', "the value is at most 5 and the agent is not a"),
        ("true", "always"),
    ],
)
def test_the_usual_shapes_are_put_into_words(text, sentence):
    assert explained(text, SCHEMA) == sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("args.new ? value > 1.0 : value > 2.0", "args.new ? value > 1.0 : value > 2.0"),
        (
            "value > 5.0 && args.lines.map(l, l.price) == [1.0]",
            "the value is above 5 and args.lines.map(l, l.price) == [1.0]",
        ),
        ("!(args.new ? value > 1.0 : false)", "not (args.new ? value > 1.0 : false)"),
        ("value >", "value >"),
        ("args.lines.all(l, l.exists(m, m > 1))", "for every one of lines, l.exists(m, m > 1)"),
    ],
)
def test_what_has_no_words_stands_as_it_is_written(text, sentence):
    assert explained(text, SCHEMA) == sentence


def test_without_a_schema_paths_are_their_own_names():
    assert explained("args.amount > 5.0 && args.customer.id == 'x'") == "amount is above 5 and customer id is x"


def test_what_is_denied_is_denied_and_what_is_asked_is_kept():
    # A guard goes only where the rest could not be true without it.
    assert explained("has(args.amount) && has(args.iban)", SCHEMA) == "amount is given and IBAN is given"
    assert explained("!has(args.amount) || args.amount > 5.0", SCHEMA) == "amount is not given or amount is above 5"
