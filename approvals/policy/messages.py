"""Every message of policy, in one place.

They are stored with the approval as they were said, in English: a reason is evidence, and does not change with the
reader's language or with the next release. Names of action types, rules and tiers are the admin's own.
"""

from datetime import timedelta

PAUSED = "The agent is paused; nothing of it runs."
STOPPED = "A reviewer ended the whole run; nothing more of it runs."
HALTED = "Everything was stopped when this arrived, so a person decides what policy would have let pass."
BLOCKED = "Refused by the rule '{name}': {message}"
UNPARSED = "The arguments did not parse, so they could not be checked; they can be modified or rejected, not approved."
BREAKER = "The breaker of this agent and action is open; everything asks a person."
LEVEL_ONE = "This agent is at level 1 (full human control) for this action."
BY_LAW = "The law wants a person for this; nothing lifts that."
RULE = "Rule '{name}': {message}"
ALLOWED = "Rule '{name}' lets it pass: {message}"
OVERRULED = "Rule '{name}' would let it pass, but something stricter holds: {message}"
STATED = "Rule '{name}' lets nothing pass, because it goes by what the agent says of itself: {message}"
RULE_FAILED = "The rule '{name}' could not be evaluated for this proposal, so a person is asked."
UNKNOWN_CURRENCY = "The currency {currency} has no rate in the policy, so the highest tier decides."
UNREADABLE_VALUE = "The value is not a number, so the highest tier decides."
IRREVERSIBLE = "This action cannot be undone; a person always decides."
MANUAL = "This action always asks a person, who types a value and signs in again."
FLAG = "Flag: {text}."
EVERY_STEPS = "Step {step} of the run since a person last decided; every {every} asks."
EVERY_TIME = "{since} of the run since it began or a person last decided in it; every {every} asks."
COST = (
    "Spending of {whose}: {spent} {base} in the last {window}, and {value} {base} more would be above the limit of "
    "{limit} {base}."
)
WHOSE = {"agent": "this agent", "run": "this run"}
SHADOW = "Shadow mode: nobody is asked. It would have asked tier {tier}:"
SHADOW_REFUSES = "Shadow mode: nobody is asked. It would have been refused:"
NEVER = "This action needs no person."
LEVEL_FOUR = (
    "This agent is at level 4 (autonomy with audit) for this action, which can be undone, is of low impact, and lies "
    "within the lowest ceiling."
)
CONFIDENT = "Confidence {composite} is at or above {auto} for {impact} impact, and {own} by our own signals alone."
UNSUPPORTED = (
    "Confidence {composite} is at or above {auto}, but by our own signals alone it is {own}, "
    "below {review}; the agent's own numbers do not let it pass."
)
HESITANT = "Confidence {composite} is below {auto} and at or above {review} for {impact} impact."
NEWCOMER = "Confidence {composite} is below {review} only because people have decided nothing of this agent and action."
TOO_LOW = "Confidence {composite} is below {review} for {impact} impact; reformulate the proposal and ask again."
LOWERED = (
    "Confidence {composite} is at or above {auto}, but what people approved of such proposals is {share} for this "
    "agent ({decided} decided, {of_agent} of them its own), so a person is asked."
)
UNMEASURED = "No signal carries weight, so there is no confidence to pass by."
FIXED = "This action always asks a person."
NOTHING_MATCHED = "No rule and no flag asks for a person."
VALUE_RAISES = (
    "The value {value} {base} is above the ceiling of tier {below} ({ceiling} {base}), so tier {tier} decides."
)
PLANNED = "Covered by plan {plan}, step {step} ({name}): a person approved exactly this."
ANSWERED = "It nearly repeats what a person rejected on {day}{why}, and {changed}: the same answer holds."
EXHAUSTED = "The run gets no further with this: {tries} attempts were rejected."
QUOTED = "It was said then: “{message}”"
GRANTED = "Covered by the standing approval that {by} gave on {day}."
OFFLINE = "It ran at {at}, while Assent could not be asked."
OFFLINE_BEYOND = "It ran at {at} unasked, and the standing approval that {by} gave did not cover it."
OFFLINE_RAN = "Ran unasked at {at} with {outcome}, beyond its standing approval."
BEYOND_ACTION = "It was not given for {action}."
BEYOND_SCHEMA = "The arguments are none of this action: {pointer}: {message}"
BEYOND_DIGEST = "The digest is not that of what is reported."
BEYOND_CONDITIONS = "The arguments do not meet its conditions."
BEYOND_TIME = "It was not in force at {at}."
BEYOND_KIND = "This action always asks a person, or cannot be undone."
BEYOND_TIER = "It needs tier {tier}; the standing approval reaches tier {most}."
BEYOND_COUNT = "All {most} uses that were set aside for it had been made."
UNPLANNED = "Deviates from the approved plan: no step of it is like this"
DEVIATES = "Deviates from the approved plan, step {step} ({name}): {why}"
DIFFERS = "{path} is {is}, approved was {was}"
AND_MORE = " and {count} more"
NOTHING = "nothing"
PLANNED_ONCE = "it has run already"
PLANNED_LATER = "it comes after {names}"
PLANNED_OTHERWISE = "the step is {action}"
PLANNED_FOR_OTHER = "it concerns something else, or comes with other files"
STEP_SAYS = "Step {number}, {action}: {text}"
WORLD_MOVED = "This was approved, and then the world moved: {names} is no longer what it was."
ASKED_BEFORE = "As it is now nothing asks for a person; before it was changed:"
STAYS = "Before it was changed it needed more, and that stays: {stages}."
AHEAD_VETO = "It goes on at once. A reviewer may stop it until its deadline; that ends its run and undoes it."
AHEAD_REVIEW = "It goes on at once. What its run did is reviewed together when the run has ended."
AHEAD_WITHOUT_UNDO = "It waits, because the request names nothing that undoes it."
SEVERAL = "{approvers} people must approve."
STAGES = "{number} stages: {stages}."
STAGE = "tier {tier} {domain}"
STAGE_OF_SEVERAL = "tier {tier} {domain} ({approvers} people)"
COUNTED = {2: "Two", 3: "Three", 4: "Four", 5: "Five"}
ANOTHER_FIELD = "Tier {tier} {domain} decides this."
TYPED = "Who approves this types a value."
QUEUE_FULL = "Tier {tier} {domain} is full ({waiting} of {limit} wait)"
QUEUE_EMPTY = "Nobody is on duty in tier {tier} {domain}"
REFUSED = "{why}, so this was not taken; come back {when}."
UNASKED = "{why}; this can be undone and is of low impact, so it passes and is looked at afterwards."
COME_AFTER = "after {at}"
COME_LATER = "later"

AGENT_SAYS = "as the agent states it"
NO_PRECEDENT = "no decisions by people yet; a newcomer counts as one approval in four"
PRECEDENT = "{approved} of the last {decided} approved unchanged by people"
ALIGNED = "arguments fit the schema, no rule matched"
MISALIGNED = "rules that matched: {rules}, flags: {flags}"
IMPACT = "{reversibility}, {band} impact"

FIRST_TIME = "First time that {agent} proposes {action}"
DUPLICATE = "The same action {status} ({id})"
DUPLICATE_HERE = "The same action is in this submission already"
UNUSUAL_AMOUNT = "{ratio} times the usual value{key} of {usual} (median of the last {count} approved)"
USUAL_FOR = " for {key}"
FREQUENCY = "{nth} time for {subject} in {span}: {action}"
FREQUENT = "More than {count} times for {subject} in {span}: {action}"
BURST = "{count} proposals of {action} by {agent} in {minutes} minutes"
ALIKE = "{count} alike proposals of {action} by {agent} in {span}"
MORE_THAN = "More than {count}"
REPEATS_PERSON = "{nth} attempt at what was rejected on {day}{why}; {changed}"
REPEATS_POLICY = "{nth} attempt at what policy refused on {day}; {changed}"
ONLY_CHANGED = "only {paths} changed"
NOTHING_CHANGED = "nothing changed"
HIDDEN = "Hidden or misleading characters ({kinds}) in {where}"
NUMBERS = "Numbers in the summary that the arguments do not contain: {numbers}"
RECIPIENTS = "Recipients in the summary that the arguments do not contain: {recipients}"

# What became of the twin of a duplicate, by its status. Agents read reasons: of a held verdict they do not know yet.
TWIN = {
    "pending": "is pending already",
    "held": "is pending already",
    "released": "was approved already",
    "executed": "was executed already",
}
CHARACTERS = {
    "bidi": "text direction",
    "zero_width": "zero width",
    "tag": "invisible tags",
    "control": "control characters",
    "mixed_script": "look-alike alphabets in one word",
}
_ORDINALS = ("", "First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth")


def nth(number: int) -> str:
    """Third, tenth, 11th: as a sentence begins."""
    return _ORDINALS[number] if number < len(_ORDINALS) else ordinal(number)


def ordinal(number: int) -> str:
    """2 is 2nd, 11 is 11th, 23 is 23rd."""
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}" + {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def span(of: timedelta) -> str:
    """1 hour 30 minutes, 45 seconds; the two largest units, and nothing smaller than a second."""
    parts, left = [], max(int(of.total_seconds()), 0)
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}" if count == 1 else f"{count} {unit}s")
    return " ".join(parts[:2]) or "0 seconds"
