"""The confidence as it goes over the wire: every part of it, what is missing, and what the bands compared."""

from collections.abc import Mapping
from typing import Any

from approvals.values.schema import Json


def confidence_document(assessment: Mapping[str, Any]) -> dict[str, Json] | None:
    """A stored assessment (`Assessment.as_json`); None where there was none."""
    if "signals" not in assessment:
        return None
    composite, seen = assessment.get("composite"), assessment.get("observed")
    share = seen["share"] if seen else None
    lowered = share is not None and composite is not None and share < composite
    return {
        "score": share if lowered else composite,
        "shown": "observed" if lowered else "composite",
        "composite": composite,
        "own": assessment.get("own"),
        "observed": dict(seen) if seen else None,
        "signals": [dict(one) for one in assessment["signals"]],
        "missing": list(assessment.get("missing", ())),
        "impact": assessment.get("impact"),
        "thresholds": dict(assessment["thresholds"]) if "thresholds" in assessment else None,
    }
