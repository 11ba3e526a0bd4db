"""The confidence as it goes over the wire: every part of it, what is missing, and what the bands compared."""

from collections.abc import Mapping
from typing import Any

from approvals.policy import messages
from approvals.policy.reasons import Reason
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
        "signals": [signal_document(signal) for signal in assessment["signals"]],
        "missing": list(assessment.get("missing", ())),
        "impact": assessment.get("impact"),
        "thresholds": dict(assessment["thresholds"]) if "thresholds" in assessment else None,
    }


def signal_document(signal: Mapping[str, Any]) -> dict[str, Json]:
    """A stored signal, with what it is made of in words."""
    return {**signal, "note": messages.sentence(Reason.of_json(signal["note"]))}
