"""Certificates as routing reads them: a lower threshold that evidence has earned, for exactly one cell.

`approvals.evidence.certificates` opens and ends them; here is what each holds, and for which policy it was made.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from approvals.policy.compiled_policy import TypePolicy
from approvals.policy.precedent.signals import WEIGHTS
from approvals.values.schema import Json, digest_of

# The thresholds that are asked about, declared before any label.
GRID = tuple((Decimal(hundredths) / 100).quantize(Decimal("0.01")) for hundredths in range(50, 100, 5))

# Of one agent, as a column beside others of its row; those without seeded cases assume careful readers, and open no
# gate.
CERTIFICATES = """
(
    SELECT jsonb_agg(jsonb_build_array(
        cell.action_type_id, cell.agent_model, cell.prompt_version, cell.tool_version, cell.impact,
        certificate.threshold, certificate.target, certificate.delta, certificate.labels, certificate.basis
    ))
    FROM approvals_certificate AS certificate
    JOIN approvals_evidencecell AS cell ON cell.id = certificate.cell_id
    WHERE certificate.ended_at IS NULL AND NOT certificate.advisory
      AND cell.agent_id = agent.id AND cell.action_type_id = ANY (%(names)s::text[])
)::text
"""


class Version(NamedTuple):
    """What an agent states of itself; empty where it states nothing."""

    model: str
    prompt: str
    tools: str


UNSTATED = Version("", "", "")


@dataclass(frozen=True, slots=True)
class Certified:
    """At or above `threshold` at most `target` would be wrong, by `labels`; false with a probability of `delta`."""

    threshold: Decimal
    target: Decimal
    delta: Decimal
    labels: int
    basis: str

    def holds(self, type: TypePolicy, score: Decimal, own: Decimal, review: Decimal) -> bool:
        """Whether it lets this pass: made for this policy, and our own signals carry the score, as everywhere."""
        carried = score >= self.threshold and own >= review
        return carried and type.approvers == 1 and self.basis == basis_of(type)


# By action type, version and impact.
Certificates = Mapping[tuple[str, Version, str], Certified]


def read(rows: Iterable[list[Any]]) -> Certificates:
    """What CERTIFICATES gave of one agent."""
    return {
        (name, Version(model, prompt, tools), impact): Certified(
            Decimal(str(threshold)), Decimal(str(target)), Decimal(str(delta)), labels, basis
        )
        for name, model, prompt, tools, impact, threshold, target, delta, labels, basis in rows
    }


def basis_of(type: TypePolicy) -> str:
    """What a certificate is made for: where any of it differs, it says nothing, and its evidence begins anew."""
    weights: dict[str, Json] = {name: float(type.weights.get(name, weight)) for name, weight in WEIGHTS.items()}
    start = None if type.threshold_start is None else float(type.threshold_start)
    material: list[Json] = [*sorted(type.material)]
    grid: list[Json] = [float(threshold) for threshold in GRID]
    return digest_of([weights, grid, start, float(type.error_target), float(type.error_risk), material])
