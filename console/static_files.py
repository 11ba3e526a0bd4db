"""The console's styles and its scripts, each joined into a single file, and static files that browsers keep for ever.

What is written stays standard: `static/css/main.css` imports the components in their order, `static/js/main.js` the
behaviours, and each of those what it needs. Joined they are found like any other static file.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import BaseFinder
from django.core.checks import CheckMessage
from django.core.files.storage import FileSystemStorage, Storage
from django.utils._os import safe_join
from whitenoise.storage import CompressedManifestStaticFilesStorage as Manifest

SOURCE = Path(settings.BASE_DIR) / "static"
STYLE, SCRIPT = "css/console.css", "js/console.js"
STYLE_IMPORT = re.compile(r'^@import "\./([\w-]+\.css)";\n', re.MULTILINE)
SCRIPT_IMPORT = re.compile(r'^import (?:\{([^}]*)\} from )?"\./([\w-]+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export ((?:async )?function|const) (\w+)", re.MULTILINE)
# What the patterns above do not read would be lost in silence.
UNREAD = re.compile(r"^\s*(?:import|export)\b.*", re.MULTILINE)


class Unjoinable(Exception):
    """A style or script is written in a way that the joined file cannot hold."""


def joined_styles(folder: Path) -> str:
    """The styles that main.css imports, in its order."""
    return "".join((folder / name).read_text() for name in STYLE_IMPORT.findall((folder / "main.css").read_text()))


def joined_scripts(folder: Path) -> str:
    """The modules that main.js needs as one: each in a function of its own, behind those that it imports.

    Raises Unjoinable where modules import each other in a circle, or with words other than
    `import { a, b } from "./c.js"`, `import "./c.js"`, `export function` and `export const`.
    """
    modules: dict[str, str | None] = {}  # None while what it imports is taken in

    def take(name: str) -> None:
        if name in modules:
            if modules[name] is None:
                raise Unjoinable(f"scripts import each other, {name}.js among them")
            return
        modules[name] = None
        text = (folder / f"{name}.js").read_text()
        for _, imported in SCRIPT_IMPORT.findall(text):
            take(imported)
        del modules[name]  # the order is that in which a browser runs them
        modules[name] = _module(name, text)

    take("main")
    return "".join(text for text in modules.values() if text)


def _module(name: str, text: str) -> str:
    exported = [made for _, made in EXPORT.findall(text)]
    text = EXPORT.sub(r"\1 \2", SCRIPT_IMPORT.sub(_taken, text))
    if unread := UNREAD.search(text):
        raise Unjoinable(f"{name}.js: {unread[0].strip()}")
    return f"const {_constant(name)} = (() => {{\n{text}return {{ {', '.join(exported)} }};\n}})();\n"


def _taken(imported: re.Match[str]) -> str:
    names, module = imported.groups()
    return f"const {{{names.replace(' as ', ': ')}}} = {_constant(module)};\n" if names else ""


def _constant(name: str) -> str:
    return "_" + name.replace("-", "_")


JOINED = {STYLE: joined_styles, SCRIPT: joined_scripts}


class JoinedFinder(BaseFinder):
    """Finds the joined files, which are made again when one of their sources is newer."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        self.storage = FileSystemStorage(location=settings.ASSENT_DATA / "joined")

    def check(self, **kwargs: object) -> list[CheckMessage]:
        return []

    def find(
        self, path: str, find_all: bool = False, **kwargs: object
    ) -> Any:  # as Django asks: a path, or a list of them
        if path not in JOINED:
            return []
        made = Path(safe_join(self.storage.location, path))
        folder = (SOURCE / path).parent
        newest = max(source.stat().st_mtime_ns for source in folder.iterdir())
        if not made.exists() or made.stat().st_mtime_ns < newest:
            made.parent.mkdir(parents=True, exist_ok=True)
            # Whoever reads it meanwhile reads the one before.
            fresh = made.with_suffix(".new")
            fresh.write_text(JOINED[path](folder))
            fresh.replace(made)
        return [str(made)] if find_all else str(made)

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, Storage]]:
        for path in JOINED:
            self.find(path)
            yield path, self.storage


class HashedStorage(Manifest):  # type: ignore[misc]  # whitenoise ships no types
    """Browsers may keep every file for ever; a new version has a new name."""

    support_js_module_import_aggregation = True
    manifest_strict = False
    # Others' scripts are large, and mention files that they do not ship: they are renamed and not searched.
    patterns = tuple(pattern for pattern in Manifest.patterns if pattern[0] == "*.css")
    _js_module_import_aggregation_patterns = (
        "js/*.js",
        Manifest._js_module_import_aggregation_patterns[1],
    )

    def compress_files(self, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Of what pages load; to compress all that packages ship took three seconds of a first start."""
        compressed: Iterator[tuple[str, str]] = super().compress_files(
            [path for path in paths if path.startswith(("css/", "js/", "django_htmx/", "unfold/"))]
        )
        return compressed
