"""A permit in an executor's hands, as in tests/permits."""

from tests.agents.conftest import api  # noqa: F401
from tests.permits.conftest import approved_executor, executor, nothing_remembered  # noqa: F401
