"""The measurements. Each returns what it found, and beside it what the design wants held."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from console.bench import evidence, many, memory
from console.bench.figure import Figure
from console.bench.load import percentile
from console.bench.paths import PATHS
from console.bench.stage import ROOT, BenchStage
from console.startup.terminal import Refused, phase

OPEN_INBOXES = 50
MOST_FILES = 25
PASTS = (1_000, 1_000_000)
WAITING = (1_000, 100_000, 1_000_000)
REST = 15.0  # seconds after the start until memory is at rest


def submit(stage: BenchStage) -> list[Figure]:
    """One request per call from 32 clients with a key each, in turns with the view that does nothing; then bulk."""
    calls = {True: [0, 0.0], False: [0, 0.0]}
    took: list[float] = []
    for seconds, submits in ((1, True), (3, False), (6, True), (3, False), (6, True)):
        done = stage.asks(do="rate", keys=stage.seeded["keys"], seconds=seconds, submit=submits).result()
        if seconds == 1:
            continue  # warms the process up
        calls[submits][0] += done["calls"]
        calls[submits][1] += done["seconds"]
        took += done["took"] if submits else []
    submitted, empty = (calls[which][0] / calls[which][1] for which in (True, False))
    bulk, plain = _bulk(stage)
    ratio, share = submitted / empty, bulk / plain
    return [
        Figure("submit, one per call, 32 clients", submitted, "/s"),
        Figure("empty async view, same handler and run", empty, "/s"),
        Figure("submit / empty view", ratio, "", "at least 0.5", ratio >= 0.5),
        Figure("submit, one call under that load, p50", percentile(took, 0.5) * 1000, "ms"),
        Figure("submit, one call under that load, p95", percentile(took, 0.95) * 1000, "ms"),
        Figure("submit in bulk of 500", bulk, "/s", "at least 2,000", bulk >= 2000),
        Figure("plain INSERT of the same rows into the same tables, same run", plain, "/s"),
        Figure("bulk / plain INSERT", share, "", "at least 0.33", share >= 1 / 3),
    ]


def _bulk(stage: BenchStage) -> tuple[float, float]:
    """Requests a second: in bulk of 500, and as plain INSERTs of the rows that it stored, in turns."""
    requests, seconds = [0, 0], [0.0, 0.0]
    for _ in range(3):
        filled = stage.asks(do="bulk", key=stage.seeded["keys"][0], of=500, times=2).result()
        inserted = stage.start_plain(of=500, times=2).result()
        for index, done in enumerate((filled, inserted)):
            requests[index] += done["requests"]
            seconds[index] += done["seconds"]
    return requests[0] / seconds[0], requests[1] / seconds[1]


def touched(stage: BenchStage) -> list[Figure]:
    """The files that one submitted request and one click on Approve go through; printed, too."""
    files = stage.start_touched(key=stage.seeded["keys"][3], cookie=stage.seeded["cookies"][0]).result()
    for what, names in files.items():
        print(f"{what}:", *names, sep="\n  ")
    return [
        Figure(f"files touched by one {what}", len(names), "", f"at most {MOST_FILES}", len(names) <= MOST_FILES)
        for what, names in files.items()
    ]


def live(stage: BenchStage) -> list[Figure]:
    """From the agent's call to the frame on another person's screen, over every one of the open inboxes."""
    cookies = (stage.seeded["cookies"] * OPEN_INBOXES)[:OPEN_INBOXES]
    marks = 60
    watching = stage.asks(do="watch", cookies=cookies, marks=marks, seconds=60)
    if (ready := watching.line()["ready"]) < OPEN_INBOXES:
        raise Refused(f"only {ready} of {OPEN_INBOXES} inboxes could be opened")
    began = stage.asks(do="submit", key=stage.seeded["keys"][1], marks=marks, gap=0.25).result()["began"]
    shown = watching.result()["shown"]
    took = [when - began[mark] for inbox in shown for mark, when in inbox.items()]
    missing = OPEN_INBOXES * marks - len(took)
    if missing:
        raise Refused(f"{missing} of {OPEN_INBOXES * marks} rows never arrived")
    p95 = percentile(took, 0.95) * 1000
    return [
        Figure(f"submit to row on another screen, {OPEN_INBOXES} open, p50", percentile(took, 0.5) * 1000, "ms"),
        Figure(f"submit to row on another screen, {OPEN_INBOXES} open, p95", p95, "ms", "at most 250", p95 <= 250),
    ]


def release(stage: BenchStage) -> list[Figure]:
    """From the commit that releases a verdict to the waiting agent's next line, over long poll."""
    count, at_once = 150, 20
    key = stage.seeded["keys"][2]
    ids = stage.asks(do="submit", key=key, marks=count, gap=0).result()["ids"]
    waiting = stage.asks(do="wait", key=key, ids=ids, at_once=at_once, seconds=60)
    waiting.line()
    deciding = stage.decides(reviewer=stage.seeded["reviewer"], ids=ids, gap=0.06)
    decided, person = waiting.result()["decided"], deciding.result()
    took = [decided[one] - person["committed"][one] for one in ids]
    whole = [decided[one] - person["began"][one] for one in ids]
    p50, p95 = (percentile(took, share) * 1000 for share in (0.5, 0.95))
    return [
        Figure("release to the waiting agent's next line, p50", p50, "ms", "at most 15", p50 <= 15),
        Figure("release to the waiting agent's next line, p95", p95, "ms", "at most 50", p95 <= 50),
        Figure("verdict to the waiting agent's next line, p95", percentile(whole, 0.95) * 1000, "ms"),
    ]


def pages(stage: BenchStage) -> list[Figure]:
    """The pages that grow with the work, as a reviewer reads them: so many wait, and as many were decided."""
    sizes = [size for size in WAITING if size <= stage.most]
    figures, least, made = [], dict.fromkeys(PATHS, 0.0), 0
    for size in sizes:
        stage.fill(made + 1, size)
        made = size
        for name, path in PATHS.items():
            took = stage.asks(do="page", cookie=stage.seeded["cookies"][0], path=path, times=40).result()["took"]
            p50, p95 = (percentile(took, share) * 1000 for share in (0.5, 0.95))
            least[name] = least[name] or p95
            of = f"{name}, {size:,} wait"
            print(f"  {of}: p50 {p50:.0f} ms, p95 {p95:.0f} ms")  # the next size takes its time
            figures += [
                Figure(f"{of}, p50", p50, "ms"),
                Figure(f"{of}, p95", p95, "ms", "at most 150", p95 <= 150),
            ]
            if size > sizes[0]:
                ratio = p95 / least[name]
                figures.append(Figure(f"{of}, p95 / that of {sizes[0]:,}", ratio, "", "at most 1.5", ratio <= 1.5))
    return figures


def rehearsal(stage: BenchStage) -> list[Figure]:
    """What a draft that concerns all of them would have done to the last 10,000 approvals."""
    stage.seed(10_000)
    report = stage.start_rehearsal(10_000).result()
    took = report["seconds"]
    return [
        Figure("rehearsal over 10,000 approvals", took, "s", "at most 20", took <= 20 and report["looked"] == 10_000),
        Figure("approvals that moved in it", report["moved"], ""),
    ]


def routing(stage: BenchStage) -> list[Figure]:
    """One proposal through a hundred rules, all signals and all flags, with little history and with much."""
    by_size = stage.start_routing(*PASTS).result()
    figures = []
    for size in PASTS:
        for who, timing in by_size[str(size)].items():
            of = f"routing, 100 rules, past of {size:,}, {who} agent"
            figures += [
                Figure(f"{of}, p50", timing["p50"], "ms", "at most 2", timing["p50"] <= 2),
                Figure(f"{of}, p95", timing["p95"], "ms", "at most 8", timing["p95"] <= 8),
            ]
    counts = {said["queries"] for of_size in by_size.values() for said in of_size.values()}
    return [*figures, Figure("queries for it, at most", max(counts), "", "the same for all", len(counts) == 1)]


def memory_at_rest(data: Path) -> list[Figure]:
    """Memory of the Assent that runs on `data`; where none does, of one that is started for it, with its start-up."""
    try:
        sizes, start = memory.at_rest(data), None
    except Refused:
        sizes, start = _fresh_installation()
    agent = sizes.pop("agent", 0.0)
    whole = sum(sizes.values())
    figures = [Figure(f"memory at rest, {name}", size, "MiB") for name, size in sizes.items()]
    figures.append(Figure("memory at rest, all but the demo agent", whole, "MiB", "at most 600", whole <= 600))
    if agent:
        figures.append(Figure("memory at rest, demo agent", agent, "MiB"))
    if start is not None:
        figures.append(Figure("start of an empty installation", start, "s", "at most 15", start <= 15))
    return figures


def _fresh_installation() -> tuple[dict[str, float], float]:
    with tempfile.TemporaryDirectory(prefix="assent-bench-") as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
        probe.close()
        data = Path(folder) / "assent"
        environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
        start = time.monotonic()
        up = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, str(ROOT / "manage.py"), "up", "--port", port, "--data", str(data)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            output_lines = []
            for line in up.stdout or ():
                output_lines.append(line)
                if line.startswith("Assent is ready"):
                    break
            else:
                raise Refused(f"Assent did not start:\n{''.join(output_lines[-15:])}")
            took = time.monotonic() - start
            time.sleep(REST)
            return memory.at_rest(data), took
        finally:
            up.send_signal(signal.SIGINT)
            try:
                up.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                up.kill()
                up.communicate()


STAGED: dict[str, Callable[[BenchStage], list[Figure]]] = {
    # In this order: what `submit` leaves behind must not lie on the pages of the others.
    "touched": touched,
    "live": live,
    "release": release,
    "pages": pages,
    "webhooks": many.webhooks,
    "waiters": many.waiters,
    "deadlines": many.deadlines,
    "submit": submit,
    "rehearsal": rehearsal,
    "routing": routing,
}


def run(which: str, data: Path, *, most: int, runs: int, seed: int) -> list[Figure]:
    """Everything, or one measurement by its name; pages up to `most` that wait, `evidence` by so many runs.

    Raises Refused when one cannot be made.
    """
    figures: list[Figure] = []
    measurements = [name for name in STAGED if which in {name, "all"}]
    if measurements:
        with BenchStage(most) as stage:
            for name in measurements:
                with phase(name):
                    figures += STAGED[name](stage)
    if which in {"memory", "all"}:
        with phase("memory"):
            figures += memory_at_rest(data)
    if which in {"evidence", "all"}:
        figures += evidence.evidence(runs, seed)
    return figures
