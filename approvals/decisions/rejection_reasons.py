"""The reasons that a rejection is given for: a list to pick from."""

REASONS = ("wrong_amount", "wrong_recipient", "not_justified", "policy", "duplicate", "unclear", "other")
