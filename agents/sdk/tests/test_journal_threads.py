"""Threads of one process share its journal: whoever comes first signs for the process, and nobody waits for it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from assent.journal import Journal

THREADS = 8


def test_threads_that_sign_at_once_do_not_wait_for_each_other(tmp_path):
    with ThreadPoolExecutor(THREADS) as pool:
        for number in range(50):
            journal, start = Journal(tmp_path / str(number)), Barrier(THREADS)

            def sign(journal: Journal = journal, start: Barrier = start) -> str:
                start.wait(10)
                return journal.mine()

            signs = [pool.submit(sign) for _ in range(THREADS)]
            assert {sign.result(20) for sign in signs} == {journal.owner}
            journal.close()
