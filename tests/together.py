"""Calls at the same moment, for races on the real database."""

import threading
from collections.abc import Callable

from django.db import connection


def together(*calls: Callable[[], object]) -> list[object]:
    """Run all calls at once, each on a connection of its own; returns results and errors."""
    connection.close()
    gate = threading.Barrier(len(calls), timeout=20)
    found: list[object] = [None] * len(calls)

    def run(place: int, call: Callable[[], object]) -> None:
        connection.ensure_connection()
        gate.wait()
        try:
            found[place] = call()
        except Exception as error:  # whatever it was, the test looks at it
            found[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found
