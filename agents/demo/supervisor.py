"""The agent's only long-lived process: small, without LangGraph, and allowed to die at any moment."""

import asyncio
import itertools
import os
import signal
import sys

import httpx
from assent import AsyncAssent, BadRequest, Denied, StillPending, Unavailable

from agents.demo import mail
from agents.demo.home import AgentFolder, Case, CaseStage

AT_ONCE = 3
FIRST_AFTER = 8.0  # seconds; a newcomer has just opened the inbox
HOLDS = 25  # seconds that one long poll may hang


class ThreadSupervisor:
    """Keeps some questions open, and takes up each case when its answer is there."""

    def __init__(self, home: AgentFolder, *, first_after: float = FIRST_AFTER, pace: float = 1.0) -> None:
        self.home = home
        self.first_after = first_after
        self.pace = pace
        self.following: dict[str, asyncio.Task[None]] = {}
        self.one_child = asyncio.Semaphore(1)

    async def run(self) -> None:
        """Live until cancelled."""
        server, self.home.smtp_port = await mail.listen(self.home.mail)
        async with server:
            try:
                for case in self.home.all_cases():
                    self.follow(case)
                await self.keep_asking()
            finally:
                for task in self.following.values():
                    task.cancel()
                await asyncio.gather(*self.following.values(), return_exceptions=True)

    async def keep_asking(self) -> None:
        """Open a new case now and then while fewer than three wait."""
        last = max((case.number for case in self.home.all_cases()), default=0)
        await asyncio.sleep(self.first_after * self.pace)
        for number in itertools.count(last + 1):
            while len(self.following) >= AT_ONCE:
                await asyncio.sleep(1 * self.pace)
            case = Case(number)
            self.home.note(case)
            self.follow(case)
            await asyncio.sleep((20 + number * 7 % 21) * self.pace)

    def follow(self, case: Case) -> None:
        """Take care of `case` until it is done."""
        if case.stage == CaseStage.DONE:
            return
        task = asyncio.create_task(self.take_care(case.thread))
        self.following[case.thread] = task
        task.add_done_callback(lambda _: self.following.pop(case.thread, None))

    async def take_care(self, thread: str) -> None:
        """Propose, wait, resume; whatever fails is tried again, later each time."""
        pauses = 0
        while (case := self.home.case(thread)).stage != CaseStage.DONE:
            if case.stage == CaseStage.STARTING:
                await self.child("propose", thread)
            elif await self.is_decided(case):
                await self.child("resume", thread)
            after = self.home.case(thread)
            if after == case:
                pauses = min(pauses + 1, 6)
                await asyncio.sleep(0.5 * 2**pauses)
            else:
                pauses = 0
                print(f"{thread}: {after.end or after.stage} {after.reason}".rstrip(), flush=True)

    async def is_decided(self, case: Case) -> bool:
        """Hang on the request until it is decided, for as long as that takes."""
        while True:
            try:
                # A client for each poll: a rotated key counts from the next one on.
                async with AsyncAssent(**self.home.connection(), transport=httpx.AsyncHTTPTransport()) as assent:
                    await assent.wait(case.request, timeout=HOLDS)
            except StillPending:
                continue
            except Denied:
                return True
            except BadRequest as refusal:
                # The request is gone with its database; the child finds out and closes the case.
                if refusal.status == httpx.codes.NOT_FOUND:
                    return True
                await asyncio.sleep(1)
            except (Unavailable, OSError, KeyError, ValueError):  # not up yet, or up again soon
                await asyncio.sleep(1)
            else:
                return True

    async def child(self, step: str, thread: str) -> None:
        """Run one step as its own process, one at a time, and wait for its end."""
        async with self.one_child:
            process = await asyncio.create_subprocess_exec(sys.executable, "-m", "agents.demo", step, thread)
            try:
                await process.wait()
            except asyncio.CancelledError:
                process.kill()  # a step may be killed at any moment
                await process.wait()
                raise


async def live(home: AgentFolder, *, first_after: float, pace: float) -> None:
    """Run the supervisor until it is told to end, or whoever started it is gone."""
    parent = os.getppid()
    supervisor = asyncio.create_task(ThreadSupervisor(home, first_after=first_after, pace=pace).run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.cancel)
    while not supervisor.done():
        await asyncio.wait([supervisor], timeout=1)
        if os.getppid() != parent:
            supervisor.cancel()
    if not supervisor.cancelled():
        supervisor.result()
