"""The demo agent: `python -m agents.demo`; its steps: `python -m agents.demo propose|resume THREAD`.

ASSENT_URL says where Assent answers, ASSENT_DATA where demo.json with the agent's key lies.
"""

import argparse
import asyncio
import importlib.util
import sys

from agents.demo.home import AgentFolder


def main() -> int:
    """Exit status 0, or 3 when the demo's extra packages are not installed."""
    parser = argparse.ArgumentParser(prog="python -m agents.demo", description=__doc__.splitlines()[0])
    parser.add_argument("step", nargs="?", choices=["propose", "resume"])
    parser.add_argument("thread", nargs="?")
    parser.add_argument("--first-after", type=float, default=8.0, help="seconds until the first question")
    parser.add_argument("--pace", type=float, default=1.0, help="factor on the seconds between questions")
    options = parser.parse_args()
    if any(importlib.util.find_spec(name) is None for name in ("langgraph", "aiosmtpd")):
        print("The demo agent needs its extra: pip install '.[demo]'. The server runs without.", file=sys.stderr)
        return 3
    home = AgentFolder.from_environment()
    if not options.step:
        from agents.demo.supervisor import live

        with home.alone("supervisor"):
            asyncio.run(live(home, first_after=options.first_after, pace=options.pace))
        return 0
    if not options.thread:
        parser.error("which thread?")
    # LangGraph is imported here and not by the supervisor: it is most of a process's memory.
    from agents.demo import steps

    (steps.propose if options.step == "propose" else steps.resume)(home, options.thread)
    return 0


if __name__ == "__main__":
    sys.exit(main())
