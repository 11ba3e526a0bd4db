"""The reports, included under /reports/; calibration has an address of its own."""

from django.urls import path

from console.views import reports, shadow

urlpatterns = [
    path("", reports.report, name="report"),
    path("rows/", reports.rows, name="report_rows"),
    path("decisions.csv", reports.decisions_csv, name="report_csv"),
    path("figures.csv", reports.figures_csv, name="report_figures"),
    path("shadow/", shadow.shadow, name="report_shadow"),
    path("shadow.csv", shadow.shadow_csv, name="report_shadow_csv"),
]
