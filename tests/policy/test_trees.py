"""The tree is the library's own: what is written from it means the same, and each part knows its place."""

import pytest

from approvals.policy.authoring import packs
from approvals.policy.rules.expressions import BadExpression, compiled_expression
from approvals.policy.rules.trees import Call, Field, Loop, Unreadable, line_and_column, reads, tree_of, written

TEXTS = [
    'args.foo > 1 && args.lines.all(y, y == "ü")',
    "has(args.a.b) && !(args.x || args.y) && args.x == null",
    "args.l.map(i, i > 0, i * 2).size() > -5 || args.l.map(i, i + 1) == [1]",
    'args.l.filter(i, i.x > 0).exists_one(z, z.a["b"][0] == 1.5)',
    "(args.a + 1) * 2 - (3 - 1) > 5 && -args.x == 9223372036854775807",
    'now.getHours("Europe/Berlin") in [1, 2] ? true : args.y',
    '{"a": args.b}.a == 1 || b"ab" == b"a\\x00" || "\\"\\\\\\n" == args.a',
    "args.x.exists(y, args.z.exists(w, w == y)) || (args.a ? args.b : args.c)",
    "!(args.a == false) && args.b == [] && args.c != 0.0",
]


def every_text():
    yield from TEXTS
    for name in packs.FIELDS:
        for rules in (row["rules"] for row in packs.read(name).snapshot["types"].values()):
            yield from (rule["when"] for rule in rules)


def test_what_is_written_from_a_tree_means_the_same():
    for text in every_text():
        once = written(compiled_expression(text).tree)
        assert written(compiled_expression(once).tree) == once, text


def test_the_loops_are_put_together_again():
    loops = {
        "all": "args.a.all(x, x > 1)",
        "exists": "args.a.exists(x, x > 1)",
        "exists_one": "args.a.exists_one(x, x > 1)",
        "filter": "args.a.filter(x, x > 1)",
        "map": "args.a.map(x, x + 1)",
    }
    for macro, text in loops.items():
        tree = compiled_expression(text if macro in ("all", "exists", "exists_one") else f"{text} == []").tree
        loop = tree if isinstance(tree, Loop) else tree.args[0]
        assert (loop.macro, loop.name, len(loop.inner)) == (macro, "x", 1)


def test_places_count_characters_and_not_bytes():
    text = 'args.name == "äöü" &&\n  args.amount > 5'
    tree = compiled_expression(text).tree

    right = tree.args[1]
    assert isinstance(right, Call) and isinstance(right.args[0], Field)
    assert line_and_column(text, right.args[0].of.at) == (2, 3)


def test_what_is_read_is_told_with_its_steps_and_not_what_a_loop_calls_the_same():
    text = 'signals["precedent"] > 0.5 && signals[args.x] > 0.5 && args.l.all(context, context.a > run.steps)'

    assert [(name, steps) for name, steps, _at in reads(compiled_expression(text).tree)] == [
        ("signals", ("precedent",)),
        ("args", ("x",)),
        ("signals", (None,)),
        ("args", ("l",)),
        ("run", ("steps",)),
    ]


def test_what_is_not_of_the_library_is_unreadable():
    with pytest.raises(Unreadable):
        tree_of(b"")


def test_what_is_nested_too_deeply_is_told_so():
    with pytest.raises(BadExpression, match="nested too deeply; make it two rules"):
        compiled_expression("!(" * 60 + "value > 1.0" + ")" * 60)
