"""The sentence of each reason; what more than its parameters decides of, stands in `messages`.

In braces stand parameters of the reason, by name. No admin's and no agent's text is a template.
"""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from approvals.policy import flag_reasons, offline_reasons, reasons, rehearsal_reasons, signal_reasons
from approvals.policy.reasons import Reason

SENTENCES: Mapping[type[Reason], Promise | str] = {
    reasons.AgentPaused: _("The agent is paused; nothing of it runs."),
    reasons.RunStopped: _("A reviewer ended the whole run; nothing more of it runs."),
    reasons.EverythingStopped: _(
        "Everything was stopped when this arrived, so a person decides what policy would have let pass."
    ),
    reasons.ArgumentsUnparsed: _(
        "The arguments did not parse, so they could not be checked; they can be modified or rejected, not approved."
    ),
    reasons.BreakerOpen: _("The breaker of this agent and action is open; everything asks a person."),
    reasons.LevelOne: _("This agent is at level 1 (full human control) for this action."),
    reasons.RequiredByLaw: _("The law wants a person for this; nothing lifts that."),
    reasons.RuleRefuses: _("Refused by the rule '{rule}': {message}"),
    reasons.RuleMatched: _("Rule '{rule}': {message}"),
    reasons.RuleLetsPass: _("Rule '{rule}' lets it pass: {message}"),
    reasons.RuleOverruled: _("Rule '{rule}' would let it pass, but something stricter holds: {message}"),
    reasons.RuleGoesByStated: _(
        "Rule '{rule}' lets nothing pass, because it goes by what the agent says of itself: {message}"
    ),
    reasons.RuleFailed: _("The rule '{rule}' could not be evaluated for this proposal, so a person is asked."),
    reasons.UnknownCurrency: _("The currency {currency} has no rate in the policy, so the highest tier decides."),
    reasons.UnreadableValue: _("The value is not a number, so the highest tier decides."),
    reasons.ValueAboveCeiling: _(
        "The value {value:,.2f} {base} is above the ceiling of tier {below} ({ceiling:,.2f} {base}), "
        "so tier {tier} decides."
    ),
    reasons.CannotBeUndone: _("This action cannot be undone; a person always decides."),
    reasons.TypedAndSignedIn: _("This action always asks a person, who types a value and signs in again."),
    reasons.AlwaysAsks: _("This action always asks a person."),
    reasons.NeedsNoPerson: _("This action needs no person."),
    reasons.LevelFour: _(
        "This agent is at level 4 (autonomy with audit) for this action, which can be undone, is of low impact, "
        "and lies within the lowest ceiling."
    ),
    reasons.NothingAsks: _("No rule and no flag asks for a person."),
    reasons.ConfidenceEnough: _(
        "Confidence {composite} is at or above {auto} for {impact} impact, and {own} by our own signals alone."
    ),
    reasons.ConfidenceUnsupported: _(
        "Confidence {composite} is at or above {auto}, but by our own signals alone it is {own}, below {review}; "
        "the agent's own numbers do not let it pass."
    ),
    reasons.ConfidenceBetween: _(
        "Confidence {composite} is below {auto} and at or above {review} for {impact} impact."
    ),
    reasons.ConfidenceOfNewcomer: _(
        "Confidence {composite} is below {review} only because people have decided nothing of this agent and action."
    ),
    reasons.ConfidenceTooLow: _(
        "Confidence {composite} is below {review} for {impact} impact; reformulate the proposal and ask again."
    ),
    reasons.ConfidenceLowered: _(
        "Confidence {composite} is at or above {auto}, but what people approved of such proposals is {share} for this "
        "agent ({decided} decided, {of_agent} of them its own), so a person is asked."
    ),
    reasons.ConfidenceCertified: _(
        "Confidence {composite} is below {auto}, and passes under a certificate: at or above {threshold} at most "
        "{target:.1%} would be wrong, by {labels} labels; false with a probability of at most {delta:.1%}."
    ),
    reasons.ConfidenceUnmeasured: _("No signal carries weight, so there is no confidence to pass by."),
    reasons.StepOfRun: _("Step {step} of the run since a person last decided; every {every} asks."),
    reasons.TimeOfRun: _("{since} of the run since it began or a person last decided in it; every {every} asks."),
    reasons.SpendingAboveLimit: _(
        "Spending of {of}: {spent:,.2f} {base} in the last {window}, and {value:,.2f} {base} more would be above the "
        "limit of {limit:,.2f} {base}."
    ),
    reasons.PlannedStepApproved: _("Covered by plan {plan}, step {step} ({name}): a person approved exactly this."),
    reasons.StandingApprovalGiven: _("Covered by the standing approval that {by} gave on {day}."),
    reasons.AnsweredBefore: _(
        "It nearly repeats what a person rejected on {day}{reason}, and {changed}: the same answer holds."
    ),
    reasons.AttemptsExhausted: _("The run gets no further with this: {tries} attempts were rejected."),
    reasons.WorldMoved: _("This was approved, and then the world moved: {moved} is no longer what it was."),
    reasons.AskedBeforeChange: _("As it is now nothing asks for a person; before it was changed:"),
    reasons.StaysStrict: _("Before it was changed it needed more, and that stays: {stages}."),
    offline_reasons.RanOffline: _("It ran at {at:%Y-%m-%d %H:%M:%S} UTC, while Assent could not be asked."),
    offline_reasons.RanBeyondApproval: _(
        "It ran at {at:%Y-%m-%d %H:%M:%S} UTC unasked, and the standing approval that {by} gave did not cover it."
    ),
    offline_reasons.NotGivenForAction: _("It was not given for {action}."),
    offline_reasons.ArgumentsOfAnotherAction: _("The arguments are none of this action: {pointer}: {message}"),
    offline_reasons.AnotherDigest: _("The digest is not that of what is reported."),
    offline_reasons.ConditionsNotMet: _("The arguments do not meet its conditions."),
    offline_reasons.NotInForce: _("It was not in force at {at:%Y-%m-%d %H:%M:%S} UTC."),
    offline_reasons.NeverUnasked: _("This action always asks a person, or cannot be undone."),
    offline_reasons.TierOutOfReach: _("It needs tier {tier}; the standing approval reaches tier {most}."),
    offline_reasons.NoUsesLeft: _("All {most} uses that were set aside for it had been made."),
    reasons.SeveralPeople: _("{approvers} people must approve."),
    reasons.AnotherDomain: _("Tier {tier} {domain} decides this."),
    reasons.TypedConfirmation: _("Who approves this types a value."),
    reasons.GoesOnUnlessStopped: _(
        "It goes on at once. A reviewer may stop it until its deadline; that ends its run and undoes it."
    ),
    reasons.GoesOnBeforeReview: _("It goes on at once. What its run did is reviewed together when the run has ended."),
    reasons.WaitsWithoutUndo: _("It waits, because the request names nothing that undoes it."),
    reasons.ShadowAsks: _("Shadow mode: nobody is asked. It would have asked tier {tier}:"),
    reasons.ShadowRefuses: _("Shadow mode: nobody is asked. It would have been refused:"),
    reasons.OfStep: _("Step {number}, {action}: {reason}"),
    reasons.NoLonger: _("No longer: {reasons}"),
    flag_reasons.FirstTime: _("First time that {agent} proposes {action}"),
    flag_reasons.FlagOfStep: _("Step {number}, {action}: {flag}"),
    flag_reasons.Flagged: _("Flag: {flag}."),
    rehearsal_reasons.ActionTypeUnknown: _("There is no such action type."),
    rehearsal_reasons.ValueRaisesTier: _("The value is above the ceiling of tier {below}, so tier {tier} decides."),
    rehearsal_reasons.CurrencyWithoutRate: _("The currency has no rate in the policy, so the highest tier decides."),
    rehearsal_reasons.RepeatsRejected: _("It nearly repeats what a person rejected: the same answer holds."),
    signal_reasons.StatedByAgent: _("as the agent states it"),
    signal_reasons.Harm: _("{reversibility}, {impact} impact"),
}
