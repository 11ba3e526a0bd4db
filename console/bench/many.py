"""The measurements of many at once: agents that wait or listen, webhooks that queue, deadlines of one second."""

import time
from contextlib import nullcontext

from console.bench import memory
from console.bench.figure import Figure
from console.bench.load import percentile
from console.bench.stage import BenchStage
from console.startup.terminal import Refused

WAITING = 2000


def waiters(stage: BenchStage) -> list[Figure]:
    """What an agent that waits costs beside its connection, and whether so many hold up who is decided upon."""
    each = WAITING // len(stage.seeded["keys"]) + 1
    pid = stage.web.child.pid if stage.web.child else 0
    crowd = stage.start_crowd(
        do="wait", keys=stage.seeded["keys"], each=each, request=6, settling=12, decide=60, seconds=90
    )
    opened = crowd.line()
    time.sleep(3)
    idle = memory.pss(pid)
    waiting = crowd.line()["waiting"]
    if waiting < WAITING:
        raise Refused(f"only {waiting} of {opened['open']} wait")
    held, used, start = memory.pss(pid), memory.busy(pid), time.monotonic()
    time.sleep(5)
    load = (memory.busy(pid) - used) / (time.monotonic() - start)
    ids = opened["ids"]
    deciding = stage.decides(reviewer=stage.seeded["reviewer"], ids=ids, gap=0.06)
    decided, committed = crowd.result()["decided"], deciding.result()["committed"]
    took = [decided[one] - committed[one] for one in ids]
    size = (held - idle) / waiting
    p50, p95 = (percentile(took, share) * 1000 for share in (0.5, 0.95))
    listening = stage.start_crowd(do="listen", keys=stage.seeded["keys"], each=each, request=6, seconds=8)
    listening.line()
    time.sleep(3)
    idle = memory.pss(pid)
    streams = listening.line()["waiting"]
    stream = (memory.pss(pid) - idle) / streams
    listening.stop()
    return [
        Figure(
            f"memory of a waiting agent beside its connection, {waiting:,} wait", size, "KiB", "at most 24", size <= 24
        ),
        Figure(f"processor while {waiting:,} wait and nothing happens", load * 100, "%"),
        Figure(f"release to the agent's next line, {waiting:,} wait, p50", p50, "ms", "at most 15", p50 <= 15),
        Figure(f"release to the agent's next line, {waiting:,} wait, p95", p95, "ms", "at most 50", p95 <= 50),
        Figure(
            f"memory of an event stream beside its connection, {streams:,} open",
            stream,
            "KiB",
            "at most 24",
            stream <= 24,
        ),
    ]


def webhooks(stage: BenchStage) -> list[Figure]:
    """From the commit to a webhook's first attempt, while thousands queue behind an endpoint that never answers."""
    count, queued = 400, 10_000
    receiving = stage.start_crowd(do="receive", count=count + 1, seconds=90)
    ports = receiving.line()
    with stage.worker():
        report = stage.start_webhooks(**ports, endpoints=20, queued=queued, count=count, gap=0.05).result()
        arrived = receiving.result()["arrived"]
    took = [arrived[n] - committed for n, committed in report["committed"].items() if n in arrived]
    if len(took) < count or report["left"] < queued * 0.9:
        raise Refused(f"{len(took)} of {count} webhooks arrived, {report['left']} of {queued} still queue")
    p50, p95 = (percentile(took, share) for share in (0.5, 0.95))
    return [
        Figure(f"webhook to its first attempt, {queued:,} behind a dead endpoint, p50", p50, "s"),
        Figure(
            f"webhook to its first attempt, {queued:,} behind a dead endpoint, p95", p95, "s", "at most 5", p95 <= 5
        ),
    ]


def deadlines(stage: BenchStage) -> list[Figure]:
    """Ten thousand deadlines in one second: from the first until a clock has settled the last, and each how often."""
    count = 10_000
    figures = []
    for of, clocks in (("ends", 1), ("escalates", 1), ("both", 2)):
        pid = stage.clock.child.pid if stage.clock.child else 0
        before = memory.busy(pid)
        with stage.another_clock() if clocks == 2 else nullcontext():
            report = stage.start_deadlines(count=count, of=of).result()
        if report["seconds"] is None:
            raise Refused(f"{count} deadlines ({of}) were not settled in time")
        took, what = report["seconds"], DEADLINE_TITLES[of]
        name = f"{count:,} deadlines in one second, {what}, {clocks} clock{'s' if clocks > 1 else ''}"
        figures.append(Figure(name, took, "s", "at most 10", took <= 10))
        # On a machine that does something else besides, this says what the time above would be on one that does not.
        figures.append(Figure("processor time of the first clock for them", memory.busy(pid) - before, "s"))
        wrong = report["wrong"] + report["early"]
        figures.append(Figure("of them settled twice, early or otherwise wrongly", wrong, "", "0", wrong == 0))
    return figures


DEADLINE_TITLES = {"ends": "rejected by silence", "escalates": "escalated into working hours", "both": "half of each"}
