"""Runs the payment script again and again and kills it with -9, each time at another moment.

    lives.py seed amounts plans…

Each payment has a plan: the moments at which its lives end, one after the other; then one life that nobody kills. A
moment is "before submit", "after consume" and so on (a call), "in decision" (while it waits), "after pay" (the action),
"12" (before its twelfth effect of any kind), or "0.35s" (that long after it began). Prints one line of JSON for each
payment: what its last life said, and how many were killed. Children are forked, since starting Python takes longer
than what is tried here.
"""

import contextlib
import io
import json
import os
import re
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

from assent import drive, wire

SCRIPT = Path(__file__).with_name("payment.py")
AT_ONCE = 10
NAMES = {
    r"POST .*/requests$": "submit",
    r"GET .*/decision$": "decision",
    r"POST .*/consume$": "consume",
    r"POST .*/outcome$": "outcome",
}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class KillPoint:
    """Ends this process at one moment of its life."""

    def __init__(self, text: str) -> None:
        self.text, self.effects = text, 0
        if text.endswith("s"):
            threading.Timer(float(text[:-1]), die).start()

    def reached(self, name: str) -> None:
        self.effects += 1
        if self.text in (name, str(self.effects)):
            die()

    def around(self, name: str, work):
        self.reached(f"before {name}")
        if self.text == f"in {name}":
            threading.Timer(0.05, die).start()
        done = work()
        self.reached(f"after {name}")
        return done


def run_script(amount: str, order: str, moment: KillPoint) -> None:
    """The script, in this process, with every effect of it passing by the moment."""
    send, write = drive.Effects._call, os.write

    def call(hands: drive.Effects, wire_call: wire.Call) -> object:
        name = next(
            (word for shape, word in NAMES.items() if re.search(shape, f"{wire_call.method} {wire_call.path}")), "call"
        )
        return moment.around(name, lambda: send(hands, wire_call))

    drive.Effects._call = call
    paid = re.compile(rb'\{"order"')
    os.write = lambda file, data: (
        moment.around("pay", lambda: write(file, data)) if paid.match(data) else write(file, data)
    )
    replace = os.replace
    os.replace = lambda old, new: moment.around("note", lambda: replace(old, new))
    sys.argv = [str(SCRIPT), order, amount]
    runpy.run_path(str(SCRIPT), run_name="__main__")


def fork_script(order: str, amount: str, moment: str) -> tuple[int, int]:
    """A child that lives, and the end of a pipe on which it says its last words."""
    out, into = os.pipe()
    pid = os.fork()
    if pid:
        os.close(into)
        return pid, out
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        run_script(amount, order, KillPoint(moment))
    os.write(into, output.getvalue().encode())
    os._exit(0)


def main(payments: list[dict]) -> None:
    waiting, running = payments[::-1], {}
    killed = {one["order"]: 0 for one in payments}
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            payment = waiting.pop()
            moment = payment["moments"].pop(0) if payment["moments"] else "never"
            pid, out = fork_script(payment["order"], payment["amount"], moment)
            running[pid] = (payment, out)
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            time.sleep(0.005)
            continue
        payment, out = running.pop(pid)
        with os.fdopen(out) as pipe:
            output = pipe.read().strip()
        if os.WIFSIGNALED(status):
            killed[payment["order"]] += 1
            waiting.append(payment)
        else:
            print(
                json.dumps({"order": payment["order"], "said": output, "killed": killed[payment["order"]]}), flush=True
            )


if __name__ == "__main__":
    main(json.loads(sys.stdin.read()))
