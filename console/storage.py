"""Static files under names that carry their content's hash, imports of our own ES modules included."""

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage as Manifest


class HashedStorage(Manifest):
    """Browsers may keep every file for ever; a new version has a new name."""

    support_js_module_import_aggregation = True
    manifest_strict = False
    # Others' scripts are large, and mention files that they do not ship: they are renamed and not searched.
    patterns = tuple(pattern for pattern in Manifest.patterns if pattern[0] == "*.css")
    _js_module_import_aggregation_patterns = (
        "js/*.js",
        Manifest._js_module_import_aggregation_patterns[1],  # type: ignore[attr-defined]  # the stubs leave it out
    )
