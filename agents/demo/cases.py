"""The script that stands where a language model would: customers, what they wrote, and what the agent makes of it.

Case number n is always the same case, in whichever process it is asked for.
"""

from dataclasses import dataclass
from typing import Any

CUSTOMERS = (
    ("Lena Brandt", "lena.brandt"),
    ("Tomás Ferreira", "tomas.ferreira"),
    ("Aisha Rahman", "aisha.rahman"),
    ("Joris van Dijk", "joris.vandijk"),
    ("Marta Kowalska", "marta.kowalska"),
    ("Samuel Okafor", "samuel.okafor"),
    ("Ingrid Solberg", "ingrid.solberg"),
    ("Paolo Ricci", "paolo.ricci"),
    ("Hannah Weiss", "hannah.weiss"),
    ("Elif Demir", "elif.demir"),
    ("Noah Lindqvist", "noah.lindqvist"),
)


@dataclass(frozen=True, slots=True)
class DemoProposal:
    """What the agent wants to do, and how it says so."""

    action: str
    args: dict[str, Any]
    summary: str
    reasoning: str
    context: dict[str, Any]
    signals: dict[str, float]
    title: str
    about: str


@dataclass(frozen=True, slots=True)
class Story:
    """One kind of support case. The texts know {name}, {first}, {order} and {amount}."""

    title: str
    wrote: str
    order_findings: str
    subject: str
    body: str
    thinks: str
    stated: float
    refund: bool = False


STORIES = (
    Story(
        "Parcel marked delivered, never arrived",
        "The tracking says delivered on Monday but there is nothing here, and my neighbours have not seen it either.",
        "Carrier scan without signature; no claim open; first complaint of this customer.",
        "Your order {order}: we are looking into it",
        "Dear {first},\n\nI am sorry that order {order} has not reached you although the carrier says it has. "
        "I have opened a search with the carrier today. If it is not found within three working days, we send a "
        "replacement at no cost.\n\nKind regards\nNorthwind Support",
        "The delivery scan has no signature, so the carrier search is the first step in the handbook. A replacement is "
        "promised only after three working days.",
        0.91,
    ),
    Story(
        "Charged twice",
        "My card shows {amount} EUR two times for the same order. Please give one of them back.",
        "Two captures eleven seconds apart for one order; one delivery.",
        "",
        "",
        "Two captures with the same order number within eleven seconds and one delivery: a double charge. One of the "
        "two goes back to the card.",
        0.94,
        refund=True,
    ),
    Story(
        "Wrong size in the box",
        "I ordered a medium and received an extra large. The packing slip says medium, so the mistake is yours.",
        "Warehouse photo shows size XL in the box; 14 medium in stock.",
        "The right size for order {order} is on its way",
        "Dear {first},\n\nYou are right: we packed the wrong size. The medium leaves our warehouse tomorrow morning, "
        "and a return label for the other one is attached to your account. You pay nothing for either.\n\n"
        "Kind regards\nNorthwind Support",
        "The photo from packing confirms the mistake. The handbook offers an exchange before a refund, and the right "
        "size is in stock.",
        0.88,
    ),
    Story(
        "Lamp arrived broken",
        "The glass shade was in pieces when I opened the box. I attach two photos. I would like my money back.",
        "Photos show breakage inside undamaged outer packing; within 14 days.",
        "",
        "",
        "Breakage is visible in both photos and the report came on the day of delivery. The customer asks for money "
        "and not for a replacement.",
        0.83,
        refund=True,
    ),
    Story(
        "Invoice for a company",
        "My accountant needs an invoice with our VAT number for order {order}.",
        "Order billed to a private person; VAT number passes the format check.",
        "Invoice for order {order}",
        "Dear {first},\n\nHere is what happens next: the corrected invoice with your VAT number is in your account "
        "under Documents within the hour. The earlier one is cancelled.\n\nKind regards\nNorthwind Support",
        "A change of the billing name is allowed within 30 days. The number passes the format check; I did not look "
        "it up in the register.",
        0.76,
    ),
    Story(
        "Angry about a late birthday present",
        "It was for Saturday. It came on Tuesday. I am never ordering from you again unless you make this right.",
        "Delivery 3 days after the promised date; express shipping of 9.90 EUR was paid.",
        "We were late with order {order}, and we are sorry",
        "Dear {first},\n\nYou paid for express and we delivered three days late, for a birthday. That should not have "
        "happened. We return the express fee of 9.90 EUR, and the next shipment is on us.\n\n"
        "Kind regards\nNorthwind Support",
        "The promise was broken and the tone is angry. The fee goes back in any case. The free shipment is goodwill "
        "that the handbook leaves to a person.",
        0.71,
    ),
    Story(
        "Returned three weeks ago, no money yet",
        "The parcel went back on the 2nd. Your site still says 'waiting'. {amount} EUR is not nothing for me.",
        "Return scanned in the warehouse 16 days ago; refund never booked.",
        "",
        "",
        "The return was scanned and passed inspection; the booking was forgotten. The full amount is due.",
        0.9,
        refund=True,
    ),
    Story(
        "Question about an allergy",
        "Does the hazelnut spread contain traces of peanut? My son is allergic.",
        "Product sheet: made in a factory that also handles peanuts.",
        "Your question about the hazelnut spread",
        "Dear {first},\n\nPlease do not give it to your son: the spread is made in a factory that also handles "
        "peanuts, and traces are possible. We gladly take unopened jars back.\n\nKind regards\nNorthwind Support",
        "The product sheet is clear. Because it is about an allergy a person should read the answer before it leaves.",
        0.8,
    ),
)


def proposal_of_case(number: int) -> DemoProposal:
    """What the agent wants to do in case `number`."""
    story = STORIES[(number - 1) % len(STORIES)]
    name, mailbox = CUSTOMERS[number * 7 % len(CUSTOMERS)]
    order = str(20_000 + number * 37 % 9_000)
    amount = f"{15 + number * 53 % 140}.{number * 29 % 100:02d}"
    values = {"name": name, "first": name.split()[0], "order": order, "amount": amount}

    def fill(text: str) -> str:
        return text.format(**values)

    to = f"{mailbox}@customers.example"
    context = {
        "customer wrote": fill(story.wrote),
        "order": order,
        "found": fill(story.order_findings),
        "customer": name,
    }
    signals = {
        "stated_confidence": story.stated,
        "tool_validity": 1.0,
        "retrieval_relevance": round(story.stated - 0.06, 2),
    }
    if story.refund:
        return DemoProposal(
            action="refund",
            args={"order": order, "amount": amount, "currency": "EUR", "reason": story.title},
            summary=fill(f"Refund {{amount}} EUR to {{name}} for order {{order}}: {story.title.lower()}."),
            reasoning=fill(story.thinks),
            context=context,
            signals=signals,
            title=story.title,
            about=f"customer:{mailbox}",
        )
    return DemoProposal(
        action="send_mail",
        args={"to": to, "subject": fill(story.subject), "body": fill(story.body)},
        summary=fill(f"Answer {{name}}: {story.title.lower()}."),
        reasoning=fill(story.thinks),
        context=context,
        signals=signals,
        title=story.title,
        about=f"customer:{mailbox}",
    )
