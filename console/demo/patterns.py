"""What the demo's agents propose again and again: the packs' own scenarios, and the mails of the demo agent."""

from collections.abc import Mapping, Sequence

from agents.demo import cases
from approvals.policy.authoring import packs
from approvals.policy.authoring.packs import Scenario
from console.demo.variety import Pattern

AGENT_OF = {
    "commerce": "procurement-agent",
    "finance": "treasury-agent",
    "deployment": "deploy-bot",
    "clinical": "ward-assistant",
    "education": "campus-assistant",
    "legal": "contract-assistant",
}
TO_CUSTOMERS = {"refund", "send_mail", "acknowledge_order"}
MAILS = 16  # of the demo agent's cases


def all_patterns(read: Sequence[packs.Pack]) -> Mapping[str, Sequence[Pattern]]:
    """Patterns by agent."""
    patterns_by_agent: dict[str, list[Pattern]] = {"support-agent": [_of_case(number) for number in range(MAILS)]}
    for pack in read:
        for scenario in pack.scenarios if pack.name != packs.CORE else ():  # the demo's agents have their fields
            if scenario.parsed and isinstance(scenario.args, dict):
                patterns_by_agent.setdefault(agent_of(scenario), []).append(of_scenario(scenario))
    return patterns_by_agent


def agent_of(scenario: Scenario) -> str:
    """Who of the cast would propose it."""
    return "support-agent" if scenario.action in TO_CUSTOMERS else AGENT_OF[scenario.pack]


def of_scenario(scenario: Scenario) -> Pattern:
    """The scenario's proposal, without the past and the route that its test gives it."""
    return Pattern(
        name=scenario.name,
        action=scenario.action,
        args=scenario.args if isinstance(scenario.args, dict) else {},
        summary=scenario.summary,
        reasoning=scenario.reasoning,
        context=scenario.context,
        signals=scenario.signals,
    )


def _of_case(number: int) -> Pattern:
    draft = cases.proposal_of_case(number)
    return Pattern(draft.title, draft.action, draft.args, draft.summary, draft.reasoning, draft.context, draft.signals)
