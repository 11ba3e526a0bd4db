"""The REST API: one module for each thing that callers do."""
