"""Every reason code, in one place: what the API names why something was asked, passed or refused."""

HIGH_RISK = "high_risk"
LOW_CONFIDENCE = "low_confidence"
POLICY_VIOLATION = "policy_violation"
PERIODIC = "periodic_checkpoint"
COST = "cost_threshold"
FIXED = "fixed"
WORLD_MOVED = "world_moved"
PASSED = "passed"  # no reason to ask: policy let it through
PRE_APPROVED = "covered"  # a person approved it beforehand
BEFORE_REVIEW = "before_review"  # it goes on before its review
SHADOW = "shadow"  # nobody is asked, and what would have been is recorded
DEGRADED = "degraded"  # there was no room, or nobody
STOPPED = "stopped"  # everything was stopped when it came, or policy would have let it through
