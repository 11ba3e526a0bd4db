"""A question on its card: the agent's best guess, and the answer that a person gives."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from approvals.errors import BadVerdict
from approvals.models import Proposal
from approvals.values import dialect, schema
from approvals.values.schema import Fault, Json
from console.card.facts import Fact, facts_of
from console.controls import sentences
from console.controls.build import controls_of


@dataclass(frozen=True, slots=True)
class Guess:
    """The agent's best guess as it is stored; `faults` say why it is no answer that the agent's own schema allows."""

    stated: Json
    schema: Mapping[str, Json]
    faults: list[Fault]

    @property
    def facts(self) -> list[Fact]:
        return facts_of(self.stated, self.schema)

    @property
    def fits(self) -> bool:
        return not self.faults

    @property
    def value(self) -> Fact | None:
        """A guess that is a single value."""
        first = self.facts[0]
        return first if not first.path else None


def guess_of(proposal: Proposal | None) -> Guess | None:
    """What the agent would answer itself; None where it states no guess."""
    if proposal is None or proposal.best_guess is None:
        return None
    try:
        faults = dialect.check(proposal.schema, proposal.best_guess)
    except schema.BadSchema as error:
        faults = list(error.faults)
    shown = sentences.fault_sentences(controls_of(proposal.schema, (proposal.best_guess,)), faults) if faults else []
    return Guess(proposal.best_guess, proposal.schema, shown)


def best_guess(proposal: Proposal | None) -> Json:
    """The stored guess itself, as a person's answer: value and types exactly. Raises BadVerdict."""
    guess = guess_of(proposal)
    if proposal is None or guess is None:
        raise BadVerdict([Fault("/answer", _("The agent states no best guess."))])
    if not guess.fits:
        raise BadVerdict([Fault("/answer", _("The agent\u2019s best guess does not fit the answer it asks for."))])
    value: Json = proposal.best_guess
    return value
