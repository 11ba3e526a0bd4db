"""A fake gateway for the tests of your agent: no server, no network, the same wire.

    fake = FakeGateway()
    fake.modify("refund", {"amount": "200.00"})
    client = assent.Assent(fake.url, fake.key, transport=fake.transport, state=tmp_path)

    refund(client, order="456", amount="420.00")

    fake.assert_ran("refund", amount="200.00")
    fake.assert_reported("succeeded")

With pytest the fixture `assent_gateway` does the wiring.
"""

from assent.testing.gateway import FakeGateway, NoInstruction
from assent.testing.records import Answer, AskedItem, Consumed, Exchange, Reported

__all__ = ["Answer", "AskedItem", "Consumed", "Exchange", "FakeGateway", "NoInstruction", "Reported"]
