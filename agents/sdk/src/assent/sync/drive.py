# Made by agents/sdk/make_sync.py of assent/aio/drive.py: change that one.

"""The driver for code without an event loop: it carries out what the core yields. No rule lives here."""

from __future__ import annotations

from typing import TypeVar

from assent.drive import Effects
from assent.wire import Call, Disk, Flow, Invoke, Sleep

T = TypeVar("T")


class Driver(Effects):
    """Carries out flows, one effect after the other."""

    def drive(self, flow: Flow[T]) -> T:
        """Run a flow to its end. Raises what it raises."""
        reply: object = None
        error: Exception | None = None
        try:
            while True:
                try:
                    effect = flow.throw(error) if error else flow.send(reply)
                except StopIteration as end:
                    result: T = end.value
                    return result
                reply, error = None, None
                try:
                    match effect:
                        case Call():
                            reply = self._call(effect)
                        case Sleep():
                            self._sleep(effect)
                        case Disk():
                            reply = self._work(effect)
                        case Invoke():
                            reply = self._invoke(effect)
                except Exception as raised:
                    error = raised
        finally:
            flow.close()
