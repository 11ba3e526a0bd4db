"""Every address of the product by its name with namespaces, for tests that leave none out."""

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver


def addresses(
    patterns: list[URLPattern | URLResolver] | None = None, space: str = ""
) -> Iterator[tuple[str, URLPattern]]:
    """Each (name, pattern) of the console and the API, as ("card:decide", …). Not the admin's, nor allauth's."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLPattern):
            yield space + (pattern.name or str(pattern.pattern)), pattern
        elif pattern.app_name != "admin" and not str(pattern.pattern).startswith("account/"):
            inside = f"{pattern.namespace}:" if pattern.namespace else space
            yield from addresses(pattern.url_patterns, inside)
