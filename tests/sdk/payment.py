"""A script that pays: what it did before there was a gate, and the three lines of the gate."""

import json
import os
import sys

import assent  # 1


@assent.requires_approval("refund", run=sys.argv[1])  # 2
def pay(order: str, amount: float, currency: str) -> str:
    """Move the money: one line in the ledger, on the disk when this returns."""
    ledger = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(ledger, (json.dumps({"order": order, "amount": amount, "currency": currency}) + "\n").encode())
    os.fsync(ledger)
    return f"paid {amount}"


if __name__ == "__main__":
    try:
        print(pay(sys.argv[1], float(sys.argv[2]), "EUR"))
    except assent.AssentError as no:  # 3
        print(f"{type(no).__name__}: {no}")
