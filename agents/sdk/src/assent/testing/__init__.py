"""A fake gateway for the tests of your agent: no server, no network, the same wire.

    fake = FakeGateway()
    fake.modify("refund", {"amount": "200.00"})
    client = assent.Assent(fake.url, fake.key, transport=fake.transport, state=tmp_path)

    refund(client, order="456", amount="420.00")

    fake.assert_ran("refund", amount="200.00")
    fake.assert_reported("succeeded")

With pytest the fixture `assent_gateway` does the wiring.
"""

from assent.testing.gateway import FakeGateway, NobodyTold
from assent.testing.told import Answer, Asked, Consumed, Exchange, Reported

__all__ = ["Answer", "Asked", "Consumed", "Exchange", "FakeGateway", "NobodyTold", "Reported"]
