"""Which services people can be told by, and that no address of theirs leads into our own network."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from approvals.notify import services

GOOD = [
    ("jsons://example.com/hook", "json"),
    ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "slack"),
    ("https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "discord"),
    (
        "https://prod-03.westus.logic.azure.com:443/workflows/643e69f83c8944/triggers/manual/paths/invoke"
        "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=KODuebWbDGYFr0z0eu",
        "workflow",
    ),
    ("tgram://123456789:abcdefg_hijklmnop/12315544/", "tgram"),
    ("pover://user@token", "pover"),
    ("ntfys://ntfy.sh/topic", "ntfy"),
    ("ntfy://topic", "ntfy"),
    ("gotifys://push.example.com/token", "gotify"),
    ("mailtos://me:secret@example.com?to=a@b.c", "mailto"),
    ("matrixs://user:pw@matrix.org/#room", "matrix"),
    ("signals://signal.example.com/12345678901/12345678901", "signal"),
    ("pagerduty://A@B", "pagerduty"),
]


@pytest.mark.parametrize(("url", "scheme"), GOOD)
def test_the_usual_services_are_taken(url, scheme):
    assert services.read(url).scheme == scheme


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "syslog://",
        "dbus://",
        "exec://x",
        "windows://",
        "macosx://",
        "gnome://",
        "mqtt://host/topic",
        "smpp://host",
        "xml://example.com",
        "form://example.com",
        "http://example.com/",
        "https://example.com/hook",
        "https://169.254.169.254/latest",
        "nonsense",
        "",
        "json://example.com\r\nX: y",
        "jsons://example.com/" + "a" * 3000,
        # A template is a file of this machine, or an address that is read in its place.
        "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ?template=/etc/passwd",
        "workflows://h/W/S/?template=file:///etc/passwd",
        "mailtos://me:secret@example.com?to=a@b.c&pgpkey=/etc/passwd",
        "jsons://example.com/?rto=9999",
        "jsons://example.com/?retry=9999",
        "jsons://example.com/?verify=no",
    ],
)
def test_what_touches_this_machine_or_is_nothing_is_refused(url):
    with pytest.raises(services.Unusable):
        services.read(url)


@pytest.mark.parametrize(
    "url",
    [
        "jsons://127.0.0.1/",
        "jsons://10.0.0.7/",
        "jsons://169.254.169.254/latest/meta-data",
        "jsons://[::1]/",
        "gotifys://192.168.1.1/token",
        "json://example.com/",
        "ntfy://10.0.0.7/topic",
    ],
)
def test_private_addresses_and_plain_http_are_refused(url):
    with pytest.raises(services.Unusable):
        services.read(url)


@pytest.mark.parametrize("name", ["2130706433", "inside.example", "[::ffff:127.0.0.1]", "localhost"])
def test_a_name_that_leads_inside_is_refused_when_it_is_used(name, monkeypatch):
    plain = services._plain

    def looked_up(host, *rest, **named):
        return plain("127.0.0.1" if host == "inside.example" else host, *rest, **named)

    monkeypatch.setattr(services, "_plain", looked_up)
    with pytest.raises(services.Unusable, match="not an address of the internet"):
        services.send(f"jsons://{name}/hook", "title", "text")


def test_a_mail_server_inside_is_refused_when_it_is_used():
    with pytest.raises(services.Unusable, match="not an address of the internet"):
        services.send("mailtos://me:secret@example.com?to=ana@example.org&smtp=127.0.0.1", "title", "text")


def test_a_redirect_into_the_network_is_not_followed(settings):
    inside: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/out":
                self.send_response(307)
                self.send_header("Location", f"http://localhost:{self.server.server_port}/in")
            else:
                inside.append(self.path)
                self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.ASSENT_TELL_PRIVATE = [f"127.0.0.1:{server.server_port}"]  # and not localhost
    with pytest.raises(services.Unusable):
        services.send(f"json://127.0.0.1:{server.server_port}/out", "title", "text")
    server.shutdown()
    server.server_close()

    assert not inside


def test_the_guard_is_for_notifications_alone():
    services._install_guard()

    assert socket.getaddrinfo("127.0.0.1", 80)


def test_a_failure_repeats_no_secret():
    url = "jsons://user%40home:pw12@example.com/deadbeef-token"
    scrubbed_text = services._scrubbed("Failed to post to https://example.com/deadbeef-token for user%40home", url)

    assert "deadbeef" not in scrubbed_text
    assert "user@home" not in scrubbed_text
    assert "user%40home" not in scrubbed_text
    assert "example.com" in scrubbed_text
