"""`assent tail`: the agent's own feed, line by line, from where it was left."""

import argparse
from pathlib import Path

from assent.cli.out import Out
from assent.files import atomically
from assent.screen import value, visible
from assent.shapes import Object
from assent.sync.client import Assent


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    tail = commands.add_parser("tail", parents=[common], help="follow what happens to the agent's requests")
    tail.add_argument("--after", metavar="ID", help="begin after this event; 0 is the beginning")
    tail.add_argument("--resume", type=Path, metavar="FILE", help="keep the last id in a file, and go on from there")
    tail.add_argument("--count", type=int, metavar="N", help="end after so many events")
    tail.set_defaults(run=_tail)


def _tail(options: argparse.Namespace, out: Out) -> int:
    after = options.after
    if after is None and options.resume and options.resume.exists():
        after = options.resume.read_text().strip() or None
    left = options.count
    with Assent() as client:
        for event in client.events(after):
            document: Object = {"id": event.id, "event": event.topic, "data": dict(event.data)}
            out.tell(document, f"{event.id}  {visible(event.topic)}  {value(event.data)}")
            if options.resume:
                # After the line is out: killed in between, an event is shown again and none is left out.
                atomically(options.resume, f"{event.id}\n".encode())
            left = None if left is None else left - 1
            if left == 0:
                break
    return 0
