"""URLs of reports and calibration."""

from django.urls import path

from console.reports import calibration, imports, shadow, thresholds, versions, views, weekly

app_name = "reports"
urlpatterns = [
    path("calibration/", calibration.confidence, name="calibration"),
    path("reports/", views.report, name="report"),
    path("reports/rows/", views.rows, name="rows"),
    path("reports/decisions.csv", views.decisions_csv, name="decisions_csv"),
    path("reports/decisions.jsonl", views.decisions_jsonl, name="decisions_jsonl"),
    path("reports/figures.csv", views.figures_csv, name="figures_csv"),
    path("reports/figures.json", views.figures_json, name="figures_json"),
    path("reports/calibration.json", calibration.confidence_json, name="calibration_json"),
    path("reports/import/", imports.import_outcomes, name="import_outcomes"),
    path("reports/versions/", versions.versions, name="versions"),
    path("reports/thresholds/", thresholds.thresholds, name="thresholds"),
    path("reports/thresholds/draft/", thresholds.draft_threshold, name="draft_threshold"),
    path("reports/weekly/", weekly.weekly, name="weekly"),
    path("reports/shadow/", shadow.shadow, name="shadow"),
    path("reports/shadow.csv", shadow.shadow_csv, name="shadow_csv"),
]
