"""The same agent with the SDK: three steps, and a no undoes what was done. argv: folder of its effects."""

import sys
from pathlib import Path

from assent import Assent, Rejected

effects = Path(sys.argv[1])


def carry_out(name: str, args: dict) -> None:
    (effects / name).write_text(str(args["days"]))


def drop_make_plan(days: int) -> None:
    (effects / "make_plan").unlink()


with Assent() as client:
    try:
        with client.run("trip-7", "A trip to Lisbon") as run:
            with run.step(
                "make_plan", action="make_plan", args={"days": 3}, undo=drop_make_plan, context={"season": "spring"}
            ) as approved_call:
                carry_out("make_plan", approved_call.args)
            with run.step(
                "resources", action="resources", args={"days": 3}, context={"hotel": "full on Sunday"}
            ) as two:
                carry_out("resources", two.args)
            with run.step("execution", action="execution", args={"days": 3}, context={"card": "on file"}) as three:
                carry_out("execution", three.args)
        print("done")
    except Rejected as no:
        print("rejected", no.reason)
