"""The statistics behind thresholds, levels and gates: claims that are wrong with a stated probability, at any look.

Everything here is an e-process: a number E of at least 0 that is 1 on average where the claim is false, so that it ever
reaches 1/delta with a probability of at most delta (J. Ville, *Étude critique de la notion de collectif*, 1939). A look
costs nothing. Labels are wrong or right; `share` is the probability with which a proposal was drawn to be labelled,
fixed before its label, and by policy rather than by the labels of the same cell.

The claim is of the average so far: of the proposals counted, at most `target` were wrong on average. For each bet λ
∏(1 + λ(bar - wrong)) / (1 + λ(bar - p)) is a martingale, p being each proposal's own chance to be wrong, and the
product of the divisors is at most 1 while the average of p is at least the bar. It says nothing of another traffic.

No Django: anybody can run simulations of their own against it, and `manage.py bench evidence` does.
"""

from approvals.evidence.guarantees.certifier import ThresholdCertifier
from approvals.evidence.guarantees.claims import CatchRate, Claim, labels_needed
from approvals.evidence.guarantees.levels import Decline, Promotion, may_lose_gate

__all__ = ["CatchRate", "Claim", "Decline", "Promotion", "ThresholdCertifier", "labels_needed", "may_lose_gate"]
