import pytest

from approvals.values.characters import plain, suspicious, visible


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("invoice\u202efdp.exe", "bidi"),
        ("a\u2066b", "bidi"),
        ("pay\u200bpal", "zero_width"),
        ("pass\u00adword", "zero_width"),
        ("ok\U000e0041\U000e0042", "tag"),
        ("a\x1b[31m", "control"),
        ("line\u2028break", "control"),
        ("p\u0430ypal", "mixed_script"),  # Cyrillic a
        ("\u03bfrder", "mixed_script"),  # Greek omicron
        ("\uff41dmin", "mixed_script"),  # full-width a
    ],
)
def test_what_deceives_is_named(text, reason):
    assert suspicious(text) == {reason}


@pytest.mark.parametrize(
    "text",
    [
        "Grüße aus Köln, 20 % günstiger",
        "two\nlines\tand a tab\r\n",
        "Москва и London",  # whole words of two alphabets
        "50 μg, ΔT, 10 kΩ",
        "東京で meeting",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # the joiner is spelling
        "👩\u200d⚕\ufe0f said yes ✔\ufe0f 1\ufe0f⃣",
        "",
    ],
)
def test_ordinary_text_is_not_suspected(text):
    assert suspicious(text) == set()
    assert visible(text) == ([(text, False)] if text else [])


def test_tokens_stand_apart_from_text():
    assert visible("a\u202eb") == [("a", False), ("\u2039U+202E\u203a", True), ("b", False)]


def test_line_breaks_are_tokens_only_in_a_line():
    assert plain("a\nb", in_line=False) == "a\nb"
    assert plain("a\nb") == "a\u2039U+000A\u203ab"
