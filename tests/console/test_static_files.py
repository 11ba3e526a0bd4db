"""A page loads one style and one script, and everything compressed."""

import gzip
import os
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.urls import reverse

from console.static_files import JoinedFinder, Unjoinable, joined_scripts, joined_styles

STATIC = Path(__file__).resolve().parents[2] / "static"
PAGES_OF_THEIR_OWN = ("admin", "admin-")


def test_the_inbox_asks_for_few_files(as_, alice):
    page = as_(alice).get(reverse("inbox:inbox")).content.decode()
    files = set(re.findall(r'(?:src|href)="(/static/[^"#]+)', page))

    assert {"/static/css/console.css", "/static/js/console.js"} <= files
    # With the page itself, its card and its socket that makes fifteen.
    assert len(files) <= 10, sorted(files)


def test_every_script_is_in_the_joined_one_behind_what_it_imports():
    joined = joined_scripts(STATIC / "js")
    names = {path.stem for path in (STATIC / "js").glob("*.js")}
    ours = {name for name in names if not name.startswith(PAGES_OF_THEIR_OWN)}
    order = re.findall(r"^const _(\w+) = \(\(\) => \{$", joined, re.MULTILINE)

    assert set(order) == {name.replace("-", "_") for name in ours}
    for module in re.split(r"^const _(?=\w+ = \(\(\) => \{$)", joined, flags=re.MULTILINE)[1:]:
        name = module.split(" ", 1)[0]
        for needed in re.findall(r"^const \{[^}]*\} = _(\w+);$", module, re.MULTILINE):
            assert order.index(needed) < order.index(name)


def test_every_style_is_in_the_joined_one_or_on_a_page_that_names_it():
    joined = joined_styles(STATIC / "css")
    pages = [
        *(STATIC.parent / "templates").rglob("*.html"),
        *(path for wing in ("approvals", "agents", "console") for path in (STATIC.parent / wing).rglob("*.py")),
    ]
    named = "".join(path.read_text() for path in pages)

    for path in (STATIC / "css").glob("*.css"):
        if path.name != "main.css":
            assert path.read_text() in joined or f"css/{path.name}" in named, path.name


@pytest.mark.parametrize(
    ("scripts", "message"),
    [
        ({"main": 'import "./a.js";\n', "a": 'import "./b.js";\n', "b": 'import "./a.js";\n'}, "import each other"),
        ({"main": "export default 1;\n"}, "main.js: export default 1;"),
        ({"main": 'import * as a from "./a.js";\n'}, "main.js: import"),
        ({"main": "export let count = 0;\n"}, "main.js: export let"),
    ],
)
def test_a_script_that_cannot_be_joined_is_refused(tmp_path, scripts, message):
    for name, text in scripts.items():
        (tmp_path / f"{name}.js").write_text(text)

    with pytest.raises(Unjoinable, match=re.escape(message)):
        joined_scripts(tmp_path)


def test_a_joined_file_follows_its_sources(settings, tmp_path, monkeypatch):
    settings.ASSENT_DATA = tmp_path / "data"
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "main.css").write_text('@import "./a.css";\n')
    source = tmp_path / "css" / "a.css"
    source.write_text("a { color: red }\n")
    monkeypatch.setattr("console.static_files.SOURCE", tmp_path)
    finder = JoinedFinder()
    assert "red" in Path(finder.find("css/console.css")).read_text()

    source.write_text("a { color: green }\n")
    os.utime(source, ns=(source.stat().st_mtime_ns + 10**9,) * 2)

    assert "green" in Path(finder.find("css/console.css")).read_text()


def test_what_is_neither_joined_nor_there_is_not_found():
    assert finders.find("css/nothing.css") is None


def test_a_page_travels_compressed_where_the_browser_takes_that(as_, alice):
    client = as_(alice)
    plain = client.get(reverse("inbox:inbox"))
    packed = client.get(reverse("inbox:inbox"), headers={"Accept-Encoding": "gzip, br"})

    assert "Content-Encoding" not in plain
    assert packed["Content-Encoding"] == "gzip"
    assert b"<main" in gzip.decompress(packed.content)
    assert len(packed.content) < len(plain.content) / 3
