"""Calls at the same moment, for races on the real database."""

import threading
from collections.abc import Callable

from django.db import connection


def rounds(count: int, *calls: Callable[[int], object]) -> list[list[object]]:
    """Run all calls at once, round after round, each with the round's number and on a connection that it keeps.

    Returns the results and errors of each round.
    """
    connection.close()
    gate = threading.Barrier(len(calls), timeout=60)
    results: list[list[object]] = [[None] * len(calls) for _ in range(count)]

    def run(index: int, call: Callable[[int], object]) -> None:
        try:
            for number in range(count):
                gate.wait()
                try:
                    results[number][index] = call(number)
                except Exception as error:  # whatever it was, the test looks at it
                    results[number][index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def together(*calls: Callable[[], object]) -> list[object]:
    """Run all calls at once, each on a connection of its own; returns results and errors."""
    connection.close()
    gate = threading.Barrier(len(calls), timeout=20)
    results: list[object] = [None] * len(calls)

    def run(index: int, call: Callable[[], object]) -> None:
        connection.ensure_connection()
        gate.wait()
        try:
            results[index] = call()
        except Exception as error:  # whatever it was, the test looks at it
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
