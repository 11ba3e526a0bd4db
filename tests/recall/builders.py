"""Permits used."""

from approvals.execution import consume
from approvals.execution.consume import PermitUse


def use_permit(held) -> object:
    return consume.consume(PermitUse(held.jti, held.permit, held.digest, "first"), by=held.approval.agent)
