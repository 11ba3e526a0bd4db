"""An agent without the SDK: three steps over the bare API, and what a no asks of it. argv: folder of its effects."""

import base64
import json
import os
import sys
from pathlib import Path

import httpx

KEY = "trip-7"
effects = Path(sys.argv[1])
api = httpx.Client(
    base_url=f"{os.environ['ASSENT_URL']}/api/v1/",
    headers={"Authorization": f"Bearer {os.environ['ASSENT_KEY']}"},
    timeout=90,
)


def carry_out(name: str, args: dict) -> None:
    (effects / name).write_text(str(args["days"]))


def undo(name: str) -> None:
    (effects / name).unlink()


def step(name: str, args: dict, context: dict) -> dict | None:
    """Ask, wait, use the permit, run, tell. Returns the rejected item where a person said no."""
    run = {"id": KEY, "name": "A trip to Lisbon", "step": name}
    item = {"id": name, "action": {"name": name, "args": args}, "context": context}
    request = api.post("requests", json={"idempotency_key": f"{KEY}/{name}", "run": run, "items": [item]}).json()
    while (answer := api.get(f"requests/{request['id']}/decision", params={"wait": 30})).status_code == 202:
        pass
    [decided] = answer.json()["items"]
    if decided["verdict"] == "reject":
        return decided
    use = {"permit": decided["permit"], "action_digest": decided["action_digest"], "attempt": "first"}
    api.post(f"permits/{_jti(decided['permit'])}/consume", json=use).raise_for_status()
    carry_out(name, decided["action"]["args"])
    api.post(f"requests/{request['id']}/items/{name}/outcome", json={"result": "succeeded"}).raise_for_status()
    report = {"id": name, "request": request["id"], "item": name, "undo": {"name": f"drop_{name}"}, "context": context}
    api.post(f"runs/{KEY}/steps", json=report).raise_for_status()
    return None


def _jti(permit: str) -> str:
    body = permit.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["jti"]


def main() -> None:
    steps = [
        ("make_plan", {"days": 3}, {"season": "spring"}),
        ("resources", {"days": 3}, {"hotel": "full on Sunday"}),
        ("execution", {"days": 3}, {"card": "on file"}),
    ]
    for name, args, context in steps:
        rejected = step(name, args, context)
        if rejected is not None:
            for compensation in rejected["compensate"]:
                undo(compensation["step"])
                report = {"result": "succeeded", "detail": str(compensation["undo"]["args"])}
                api.post(f"runs/{KEY}/steps/{compensation['step']}/undo", json=report).raise_for_status()
            print("rejected", rejected["message"])
            return
    print("done")


main()
