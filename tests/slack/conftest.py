"""A workspace, people linked to it, and a card that was posted."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from approvals.models import Approval, Channel, User
from approvals.notify import slack
from tests.notify.conftest import carry_all
from tests.slack.workspace import SECRET, TEAM, Workspace


@pytest.fixture
def workspace(settings) -> Iterator[Workspace]:
    slack_workspace = Workspace()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            method = self.path.strip("/").rpartition("/")[2]
            assert self.headers["Authorization"] == "Bearer xoxb-test"
            answer = {"ok": False, "error": "not_in_channel"}
            if not slack_workspace.broken:
                body["ts"] = body.get("ts") or f"1700000000.{len(slack_workspace.calls):06}"
                slack_workspace.calls.append((method, body))
                answer = {"ok": True, "channel": f"D-{body.get('channel')}", "ts": body["ts"]}
            data = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.SLACK_API_URL = f"http://127.0.0.1:{server.server_port}/api/"
    settings.SLACK_BOT_TOKEN, settings.SLACK_SIGNING_SECRET = "xoxb-test", SECRET
    yield slack_workspace
    server.shutdown()
    server.server_close()


@pytest.fixture
def linked(workspace) -> Callable[[User], User]:
    def link(user: User) -> User:
        slack.link(user, team=TEAM, account=f"U-{user.username}")
        Channel.objects.filter(user=user, service="mail").delete()
        return user

    return link


@pytest.fixture
def card(linked, alice, workspace, propose) -> tuple[Approval, dict]:
    """Alice's account is linked, and a card of a refund waits there."""
    linked(alice)
    approval = propose(amount=421, order="ord-77")
    carry_all()
    [body] = workspace.of("chat.postMessage")
    return approval, body
