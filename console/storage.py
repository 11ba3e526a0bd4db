"""Static files under names that carry their content's hash, imports of ES modules included."""

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage


class HashedStorage(ManifestStaticFilesStorage):
    """Browsers may keep every file for ever; a new version has a new name."""

    support_js_module_import_aggregation = True
    manifest_strict = False
