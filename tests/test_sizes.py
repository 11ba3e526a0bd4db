"""Files keep a size that one reads: no template line over 160 characters, no file of code over 400 lines."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WIDEST = 160  # characters of a template line, which holds an element
LONGEST = 400  # lines of a file
CODE = (
    "approvals/**/*.py",
    "agents/**/*.py",
    "console/**/*.py",
    "tests/**/*.py",
    "static/css/*.css",
    "static/js/**/*.js",
)


def files(*patterns: str) -> list[Path]:
    return [path for pattern in patterns for path in ROOT.glob(pattern) if "migrations" not in path.parts]


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_no_template_line_is_wider_than_160_characters():
    templates = files("templates/**/*.html")
    wide = [
        f"{path.relative_to(ROOT)}:{number} {len(line)}"
        for path in templates
        for number, line in enumerate(lines(path), 1)
        if len(line) > WIDEST
    ]

    assert templates
    assert not wide


def test_no_file_of_code_is_longer_than_400_lines():
    long = {str(path.relative_to(ROOT)) for path in files(*CODE) if len(lines(path)) > LONGEST}

    assert long == set()
