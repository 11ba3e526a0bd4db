"""What history says of certificates: one opened, one ended."""

from approvals.history.chains import Actor
from approvals.history.system_facts import CertificateEnded, CertificateOpened
from approvals.models import Certificate, EvidenceCell

EVIDENCE = Actor("evidence")  # who certifies, as history names it


def record_opened(cell: EvidenceCell, row: Certificate) -> None:
    """Write that a threshold was certified, and on which numbers."""
    facts = CertificateOpened(
        version=_version(cell),
        impact=cell.impact,
        threshold=row.threshold,
        target=row.target,
        delta=row.delta,
        labels=row.labels,
        bar=row.bar,
        advisory=row.advisory,
        term=row.term,
    )
    facts.record(by=EVIDENCE, subject=_subject(cell))


def record_ended(cell: EvidenceCell, row: Certificate) -> None:
    """Write that a certificate ended, and why."""
    facts = CertificateEnded(
        version=_version(cell),
        impact=cell.impact,
        threshold=row.threshold,
        advisory=row.advisory,
        term=row.term,
        ended_by=str(row.ended_by),
    )
    facts.record(by=EVIDENCE, subject=_subject(cell))


def _subject(cell: EvidenceCell) -> str:
    return f"autonomy:{cell.agent.name}/{cell.action_type_id}"


def _version(cell: EvidenceCell) -> str:
    return " · ".join(filter(None, (cell.agent_model, cell.prompt_version, cell.tool_version)))
