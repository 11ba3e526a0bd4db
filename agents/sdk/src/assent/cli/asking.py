"""`assent submit` and `assent wait`: an agent's side, with ASSENT_KEY."""

import argparse

from assent.cli.out import Out, argument_type, document
from assent.screen import value, visible
from assent.shapes import Decision, Request, SubmissionOptions
from assent.sync.client import Assent

_TEXTS = ("step", "key", "summary", "reasoning", "subject", "value")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    submit = commands.add_parser("submit", parents=[common], help="propose an action, and perhaps wait for the answer")
    submit.add_argument("action")
    submit.add_argument("args", type=argument_type(document), nargs="?", default={}, help="a JSON object, @file, or -")
    submit.add_argument("--run", dest="in_run", help="the id of the workflow that it belongs to")
    for name in _TEXTS:
        submit.add_argument(f"--{name}")
    submit.add_argument("--preconditions", type=argument_type(document), metavar="JSON")
    submit.add_argument("--timeout-s", type=float, metavar="SECONDS", help="until silence speaks")
    submit.add_argument(
        "--wait", nargs="?", type=float, const=float("inf"), metavar="SECONDS", help="wait for it; alone: without end"
    )
    submit.add_argument(
        "--consume", action="store_true", help="use the permit, too: run what is printed, once, and report its outcome"
    )
    submit.set_defaults(run=_submit)
    wait = commands.add_parser("wait", parents=[common], help="wait for a request's decision")
    wait.add_argument("request")
    wait.add_argument("--timeout", type=float, metavar="SECONDS", help="give up after these; exit code 3")
    wait.set_defaults(run=_wait)
    outcome = commands.add_parser("outcome", parents=[common], help="report what became of an approved action")
    outcome.add_argument("request")
    outcome.add_argument("result", choices=("succeeded", "failed", "skipped", "compensated"))
    outcome.add_argument("--item", help="which of several")
    outcome.add_argument("--detail", default="", help="in words")
    outcome.set_defaults(run=_outcome)


def _submit(options: argparse.Namespace, out: Out) -> int:
    asking: SubmissionOptions = {}
    for name in (*_TEXTS, "timeout_s"):
        if getattr(options, name) is not None:
            asking[name] = getattr(options, name)  # type: ignore[literal-required]  # names of Asking
    if options.consume and options.wait is None:
        raise ValueError("--consume uses the permit of a decision: it needs --wait.")
    with Assent() as client:
        request = client.submit(
            options.action, options.args, run=options.in_run, preconditions=options.preconditions, **asking
        )
        if options.wait is None:
            _tell_request(request, out)
            return 0
        if not out.as_json:
            _tell_request(request, out)
        timeout = None if options.wait == float("inf") else options.wait
        return _print_decision(client, request, timeout, out, use=options.consume)


def _wait(options: argparse.Namespace, out: Out) -> int:
    with Assent() as client:
        return _print_decision(client, options.request, options.timeout, out)


def _outcome(options: argparse.Namespace, out: Out) -> int:
    with Assent() as client:
        client.outcome(options.request, options.result, item=options.item, detail=options.detail)
    out.tell({"request": options.request, "result": options.result}, f"{options.request}: {options.result}")
    return 0


def _print_decision(
    client: Assent, request: Request | str, timeout: float | None, out: Out, *, use: bool = False
) -> int:
    decision: Decision = client.wait(request, timeout=timeout)
    if use and decision.permit:
        # Before it is printed: what a script reads here may run, and nothing that was refused is ever read.
        client.consume(decision)
    lines = []
    for item in decision.items:
        by = f" by {visible(item.decided_by)}" if item.decided_by else f" ({item.source})" if item.source else ""
        lines.append(f"{visible(item.id)}: {item.verdict or item.status}{by}")
        if item.action:
            lines.append(f"  {visible(item.action)} {value(item.args)}")
        if item.verdict == "answer":
            lines.append(f"  answer: {value(item.answer)}")
        lines += [f"  {name}: {visible(text)}" for name in ("message", "guidance") if (text := getattr(item, name))]
    out.tell(decision.document, *lines)
    # Of several items each has an answer of its own; of one, `wait` has raised if it is a no.
    return 0 if any(item.may_run or item.verdict == "answer" for item in decision.items) else 1


def _tell_request(request: Request, out: Out) -> None:
    lines = [f"{request.id}  {request.status}{'  (asked before)' if request.replayed else ''}"]
    for item in request.items:
        why = f"  {'; '.join(visible(reason.text) for reason in item.reasons)}" if item.reasons else ""
        lines.append(f"  {visible(item.id)}: {item.status}, {item.route}{why}")
    lines.append(f"  review: {request.review_url}")
    out.tell(request.document, *lines)
