"""What a fake gateway can be told to say in the place of a reviewer, of policy, or of the clock."""

from abc import ABC, abstractmethod

from assent.shapes import Json, Object
from assent.testing.records import (
    ANSWER,
    APPROVE,
    CANCELLED,
    EXPIRED,
    MODIFY,
    REJECT,
    SKIP,
    WAITING,
    Answer,
    Change,
)


class Verdicts(ABC):
    """One method for each thing that can be said; without `action` it is said to whatever is asked."""

    def approve(
        self,
        action: str | None = None,
        *,
        times: int | None = None,
        message: str | None = None,
        guidance: str | None = None,
        remember: Json = None,
        question: str | None = None,
        permit_valid: float = 86_400.0,
    ) -> None:
        """Approve as proposed; after the agent has answered `question`, where there is one."""
        answer = Answer(APPROVE, action, times, message=message, guidance=guidance, remember=remember)
        answer.question, answer.permit_valid = question, permit_valid
        self.say(answer)

    def pass_by_policy(self, action: str | None = None, *, times: int | None = None, source: str = "policy") -> None:
        """Let it pass without a person; `source` may be policy, grant or timeout."""
        self.say(Answer(APPROVE, action, times, source=source))

    def modify(
        self,
        action: str | None = None,
        change: Change | None = None,
        *,
        args: Object | None = None,
        alternative: str | None = None,
        times: int | None = None,
        message: str | None = None,
    ) -> None:
        """Approve with other arguments: some (`change`, or a function of the proposed ones), or all (`args`)."""
        if (change is None) == (args is None):
            raise ValueError("say what is modified: either change or args")
        self.say(Answer(MODIFY, action, times, args=args, change=change, alternative=alternative, message=message))

    def reject(
        self,
        reason: str | None = None,
        *,
        action: str | None = None,
        times: int | None = None,
        stop: bool = False,
        guidance: str | None = None,
    ) -> None:
        """A person says no; `stop` ends the whole run."""
        self.say(Answer(REJECT, action, times, message=reason, stop=stop, guidance=guidance))

    def refuse(self, *reasons: str, action: str | None = None, times: int | None = None) -> None:
        """Policy says no, and nobody was asked."""
        self.say(Answer(REJECT, action, times, source="policy", reasons=reasons or ("A rule refuses this.",)))

    def answer(self, value: Json, *, action: str | None = "question", times: int | None = None) -> None:
        """Answer a question of the agent; with `action` another: answer instead of approving."""
        self.say(Answer(ANSWER, action, times, answer=value))

    def skip(self, action: str | None = None, *, times: int | None = None, message: str | None = None) -> None:
        """Say to go on without it."""
        self.say(Answer(SKIP, action, times, message=message))

    def expire(self, action: str | None = None, *, times: int | None = None) -> None:
        """Nobody decides before the deadline."""
        self.say(Answer(EXPIRED, action, times))

    def withdraw(self, action: str | None = None, *, times: int | None = None) -> None:
        """It is cancelled from elsewhere."""
        self.say(Answer(CANCELLED, action, times))

    def hold(self, action: str | None = None) -> None:
        """Leave it waiting; a later instruction answers what waits."""
        self.say(Answer(WAITING, action))

    @abstractmethod
    def say(self, answer: Answer) -> None:
        """Any instruction, and at once to whatever waits."""
