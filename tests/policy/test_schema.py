import struct

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from approvals.models.policy import Verdict
from approvals.values import schema
from approvals.values.schema import Fault, NotCanonical, Validator, canonical, headline
from tests.text_search import mentions


class TestCanonicalForm:
    def test_the_example_of_rfc_8785(self):
        value = {
            "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
            "literals": [None, True, False],
        }
        assert (
            canonical(value)
            == (
                '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
                '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
            ).encode()
        )

    def test_keys_are_sorted_by_utf_16_code_units(self):
        keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\x80", "\xf6"]
        in_order = ["\r", "1", "\x80", "\xf6", "\u20ac", "\U0001f600", "\ufb33"]
        written = canonical(dict.fromkeys(keys, 0)).decode()
        places = [written.index("\\r" if key == "\r" else f'"{key}"') for key in in_order]
        assert places == sorted(places)

    @pytest.mark.parametrize(
        ("bits", "text"),
        [
            ("0000000000000000", "0"),
            ("8000000000000000", "0"),
            ("0000000000000001", "5e-324"),
            ("7fefffffffffffff", "1.7976931348623157e+308"),
            ("4340000000000000", "9007199254740992"),
            ("4430000000000000", "295147905179352830000"),
            ("44b52d02c7e14af5", "9.999999999999997e+22"),
            ("44b52d02c7e14af6", "1e+23"),
            ("444b1ae4d6e2ef4f", "999999999999999900000"),
            ("444b1ae4d6e2ef50", "1e+21"),
            ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
            ("3eb0c6f7a0b5ed8d", "0.000001"),
            ("41b3de4355555557", "333333333.33333343"),
            ("becbf647612f3696", "-0.0000033333333333333333"),
            ("43143ff3c1cb0959", "1424953923781206.2"),
        ],
    )
    def test_the_numbers_of_appendix_b(self, bits, text):
        (number,) = struct.unpack(">d", bytes.fromhex(bits))
        assert canonical(number).decode() == text

    @pytest.mark.parametrize("value", [2**53, -(2**53), float("nan"), float("inf"), "\ud800"])
    def test_what_has_no_canonical_form_is_refused_by_name(self, value):
        with pytest.raises(NotCanonical):
            canonical({"a": [value]})

    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text()
            | st.sampled_from([1e-4, 9.9e-5, 1e15, 1e16, 123456789.0, -0.0, 0.1 + 0.2, 2**53 - 1, 1 - 2**53]),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
        )
    )
    def test_the_quick_form_is_the_librarys(self, value):
        try:
            form = rfc8785.dumps(value)
        except rfc8785.CanonicalizationError:
            with pytest.raises(NotCanonical):
                canonical(value)
        else:
            assert canonical(value) == form

    def test_words_of_a_list_of_choices_are_words(self):
        assert canonical({"kind": Verdict.APPROVE, "at": (1, 2.0)}) == b'{"at":[1,2],"kind":"approve"}'

    def test_nesting_without_end_is_refused_by_name(self):
        value = inner = {}
        for _ in range(10_000):
            inner["a"] = {}
            inner = inner["a"]
        with pytest.raises(NotCanonical):
            canonical(value)


class TestDigest:
    def test_is_the_sha_256_of_the_canonical_form(self):
        empty_object = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        assert schema.digest_of({}) == f"sha256:{empty_object}"

    def test_does_not_depend_on_the_order_of_keys_or_the_spelling_of_numbers(self):
        assert schema.digest_of({"a": 1.0, "b": 2}) == schema.digest_of({"b": 2, "a": 1})

    def test_changes_with_every_part_of_what_will_execute(self):
        same = {"agent": "robot", "action": "refund", "schema_version": 1, "args": {"a": 1}, "subject": "order:1"}
        digests = {schema.action_digest(**same)}
        for name, other in [
            ("agent", "robo"),
            ("action", "refund2"),
            ("schema_version", 2),
            ("args", {"a": 2}),
            ("subject", ""),
        ]:
            digests.add(schema.action_digest(**{**same, name: other}))
        assert len(digests) == 6


class TestArguments:
    schema = {
        "type": "object",
        "required": ["order", "lines"],
        "additionalProperties": False,
        "properties": {
            "order": {"type": "string", "pattern": "^[0-9]+$"},
            "mail": {"type": "string", "format": "email"},
            "lines": {"type": "array", "items": {"type": "integer", "maximum": 9}},
        },
    }

    def test_good_ones_have_no_fault(self):
        assert schema.check(self.schema, {"order": "1", "lines": [1, 2], "mail": "a@b.example"}) == []

    def test_every_fault_is_reported_at_its_field(self):
        faults = schema.check(self.schema, {"order": "x", "lines": [1, 10], "mail": "no", "a/b": 1})
        assert {fault.pointer for fault in faults} == {"/order", "/lines/1", "/mail", "/a~1b"}

    def test_a_missing_field_is_pointed_at_itself(self):
        assert schema.check(self.schema, {"lines": []}) == [Fault("/order", "This field is required.")]

    def test_messages_do_not_repeat_what_the_agent_wrote(self):
        (fault,) = schema.check(self.schema, {"order": "<b>no</b>", "lines": []})
        assert "<b>" not in fault.message

    @pytest.mark.parametrize(
        "value", [2**53, 2**63, 1e22, float("nan"), float("inf"), "\x00", "\ud800", {"\x00": 1}, {"\udfff": 1}]
    )
    def test_what_the_database_would_not_give_back_is_a_fault(self, value):
        (fault,) = schema.check({}, {"deep": [0, value]})
        assert fault.pointer == "/deep/1"

    def test_depth_is_bounded(self):
        value = 1
        for _ in range(10_000):
            value = [value]
        (fault,) = schema.check({}, value)
        assert mentions(fault.message, "32")

    def test_faults_are_bounded(self):
        assert len(schema.check({"items": {"type": "string"}}, list(range(10_000)))) == schema.MOST_FAULTS

    def test_a_pattern_that_would_backtrack_for_ever_is_quick(self):
        assert schema.check({"pattern": "^(a|a)*$"}, "a" * 5000 + "b")


class TestSchemasOfAdmins:
    @pytest.mark.parametrize(
        "text", ["http://example.com/x.json", "https://example.com/x.json", "file:///etc/passwd", "other.json"]
    )
    def test_a_reference_that_leaves_the_schema_is_refused(self, text):
        assert schema.check_schema({"properties": {"a": {"$ref": text}}})

    def test_a_reference_inside_is_fine(self):
        own = {"$defs": {"n": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/n"}}}
        assert schema.check_schema(own) == []
        assert Validator(own).check({"a": "x"})

    @pytest.mark.parametrize(
        "bad", [{"type": "banana"}, {"pattern": "(a"}, {"pattern": "(?=a)b"}, {"pattern": r"(a)\1"}, [], "x", None]
    )
    def test_what_is_no_schema_is_refused_with_a_sentence(self, bad):
        assert schema.check_schema(bad)[0].message

    def test_an_unknown_reference_raises_when_compiled(self):
        with pytest.raises(schema.BadSchema):
            Validator({"$ref": "#/nowhere"})


class TestPaths:
    args = {"customer": {"id": 9}, "lines": [{"sku": "A"}, {"sku": "B"}], "a.b": 1}

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("customer.id", 9),
            ("/customer/id", 9),
            ("lines.1.sku", "B"),
            ("/a.b", 1),
            ("customer.name", None),
            ("lines.2.sku", None),
            ("lines.-1", None),
            ("customer.id.more", None),
        ],
    )
    def test_dotted_and_pointer(self, path, value):
        assert schema.pick(self.args, path) == value


class TestHeadline:
    def test_says_the_values(self):
        args = {"amount": "420.00", "currency": "EUR", "order": 456}
        assert headline("refund {amount} {currency} to order {order}", args) == "refund 420.00 EUR to order 456"

    def test_a_missing_value_is_a_question_mark(self):
        assert headline("refund {amount}", {}) == "refund ?"
        assert headline("refund {amount}", "not an object") == "refund ?"

    def test_lists_are_counted_and_joined(self):
        assert headline("write to {recipients}", {"recipients": ["a", "b"]}) == "write to 2 recipients: a, b"
        assert headline("write to {recipients}", {"recipients": ["a"]}) == "write to a"
        assert headline("write to {recipients}", {"recipients": []}) == "write to no recipients"
        assert headline("{n}", {"n": list(range(9))}) == "9 n: 0, 1, 2, 3, 4 and 4 more"

    def test_values_are_not_templates(self):
        assert headline("{a}", {"a": "{b}", "b": "secret"}) == "{b}"

    def test_hidden_characters_are_seen(self):
        assert (
            headline("pay {to}", {"to": "a\u202eb\u200b\nc"})
            == "pay a\u2039U+202E\u203ab\u2039U+200B\u203a\u2039U+000A\u203ac"
        )

    def test_it_is_bounded(self):
        assert len(headline("{a} {b} {c}", dict.fromkeys("abc", "x" * 10_000))) <= schema.LONGEST_HEADLINE

    def test_one_long_value_does_not_push_the_next_out(self):
        assert headline("{a} to {b}", {"a": "x" * 10_000, "b": "bob"}).endswith(" to bob")

    def test_objects_and_plain_words(self):
        assert headline("{a} {b} {c}", {"a": {"name": "x"}, "b": True, "c": None}) == "x true null"
