"""A webhook goes to the internet and nowhere else, in whatever notation somebody writes where it should go."""

import asyncio
import datetime
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agents.webhooks import addresses
from agents.webhooks.addresses import Forbidden
from agents.webhooks.post import EndpointAnswer, Poster, Unanswered, resolve

NEVER = [
    # This machine
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "::1", "::",  # noqa: S104
    # Private networks
    "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fc00::1", "fd12:3456::1", "fec0::1",
    # The link, and metadata services
    "169.254.0.1", "169.254.169.254", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "100.100.100.200", "168.63.129.16",
    "192.0.0.192",
    # Another address inside
    "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::a00:1",
    "64:ff9b::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "64:ff9b:1:fffe::10.0.0.1",
    "2002:7f00:1::", "2002:a00:1::1", "2001:0:7f00:1::", "::ffff:0:127.0.0.1",
    # No host at all
    "224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1", "ff02::1", "ff0e::1",
    # Documentation, benchmarks, discarded, reserved
    "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "192.88.99.1", "2001:db8::1", "100::1", "3fff::1",
    "5f00::1", "4000::1", "2001:10::1",
]  # fmt: skip
PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", NEVER)
def test_no_webhook_goes_to(address):
    assert not addresses.is_public(ip_address(address))
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(Forbidden):
        addresses.read(f"https://{host}/")


@pytest.mark.parametrize("address", PUBLIC)
def test_a_webhook_may_go_to(address):
    assert addresses.is_public(ip_address(address))


LOOPBACK_BY_OTHER_NAMES = [
    "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0x7F.1", "0177.0.0.1", "017700000001",
    "0177.0.0.01", "127.0.0.1.", "0", "0x0", "127.0.0.0x1", "00000177.1",
]  # fmt: skip


@pytest.mark.parametrize("host", LOOPBACK_BY_OTHER_NAMES)
def test_a_number_that_is_this_machine_in_disguise_is_refused_twice(host):
    with pytest.raises(Forbidden):
        addresses.read(f"https://{host}/")
    target = addresses.Target("https", host, 443, "/")
    try:
        resolved = resolve(host, 443)
    except OSError:
        return
    with pytest.raises(Forbidden):
        addresses.allowed(target, resolved)


@pytest.mark.parametrize(
    "url",
    [
        "", "https://", "https:///path", "//example.com", "example.com", "ftp://example.com/", "file:///etc/passwd",
        "gopher://example.com/", "javascript:alert(1)", "data:text/plain,x", "unix:///var/run/x", "http://example.com/",
        "https://user@example.com/", "https://user:secret@example.com/", "https://example.com@127.0.0.1/",
        "https://example.com:22/", "https://example.com:6379/", "https://example.com:0/", "https://example.com:99999/",
        "https://example.com:x/", "https://example.com/#part", "https://exa mple.com/", "https://example.com/\r\nX: y",
        "https://example.com\\@127.0.0.1/", "https://\uff11\uff12\uff17.0.0.1/", "https://127\u30020\u30020\u30021/", "https://ex\u00e4mple.com/",
        "https://example..com/", "https://.example.com/", "https://[::1", "https://[::1]]/", "https://[v1.x]/",
        "https://-example.com/", "https://exa%6dple.com/", "https://example.com\t/", "https://" + "a." * 140 + "com/",
        "https://example.com/" + "x" * 2000,
    ],
)  # fmt: skip
def test_an_address_that_is_none_or_means_two_things_is_refused(url):
    with pytest.raises(Forbidden):
        addresses.read(url)


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("https://example.com", "example.com", 443, "/"),
        ("https://Hooks.Example.com:8443/a/b?c=d%20e", "hooks.example.com", 8443, "/a/b?c=d%20e"),
        ("https://93.184.216.34/", "93.184.216.34", 443, "/"),
        ("https://xn--exmple-cua.com/?", "xn--exmple-cua.com", 443, "/"),
    ],
)
def test_an_address_of_the_internet_is_taken_apart_once(url, host, port, path):
    assert addresses.read(url) == addresses.Target("https", host, port, path)


def test_one_bad_address_among_good_ones_is_enough():
    target = addresses.read("https://example.com/")
    with pytest.raises(Forbidden, match=r"10\.0\.0\.7"):
        addresses.allowed(target, ["93.184.216.34", "10.0.0.7"])


def test_exceptions_are_hosts_that_somebody_named(settings):
    settings.ASSENT_WEBHOOK_PRIVATE = ["localhost:9000", "hooks.internal"]
    assert addresses.read("http://localhost:9000/x").is_excepted
    assert addresses.read("http://hooks.internal:81/").is_excepted
    for other in (
        "http://localhost:9001/",
        "http://127.0.0.1:9000/",
        "http://x.hooks.internal/",
        "ftp://hooks.internal",
    ):
        with pytest.raises(Forbidden):
            addresses.read(other)


# --- At the moment of connecting


def post(url: str, **options: object) -> EndpointAnswer:
    async def send() -> EndpointAnswer:
        async with Poster(patience=5, **options) as poster:
            return await poster.post(url, b"{}", {"webhook-id": "1"})

    return asyncio.run(send())


class RebindingResolver:
    """A name server that says something harmless first and this machine afterwards."""

    def __init__(self, *says: str) -> None:
        self.says, self.lookups = list(says), 0

    def __call__(self, host: str, port: int) -> list[str]:
        self.lookups += 1
        return [self.says[min(self.lookups, len(self.says)) - 1]]


def test_a_name_that_resolves_to_this_machine_is_not_connected_to(receiver):
    with pytest.raises(Forbidden, match=r"127\.0\.0\.1, which is not") as refused:
        post("https://hooks.example.com/", resolve=RebindingResolver("127.0.0.1"))
    assert refused.value.passing
    assert receiver.received == []


def test_a_name_is_asked_once_and_what_was_checked_is_connected_to(monkeypatch):
    """A resolver that changes its mind between check and connect is not asked a second time."""
    connected = []

    async def connect(self, host, port, *_):
        connected.append((host, port))
        raise Unanswered("far away")

    monkeypatch.setattr("httpcore.AnyIOBackend.connect_tcp", connect)
    names = RebindingResolver("93.184.216.34", "127.0.0.1")
    with pytest.raises(Unanswered):
        post("https://hooks.example.com/", resolve=names)

    assert names.lookups == 1
    assert connected == [("93.184.216.34", 443)]


def test_the_next_connection_asks_and_checks_again():
    names = RebindingResolver("169.254.169.254")
    for _ in range(2):
        with pytest.raises(Forbidden):
            post("https://hooks.example.com/", resolve=names)
    assert names.lookups == 2


def test_a_proxy_of_the_environment_is_not_used(receiver, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert post(receiver.url).status == 200


def test_a_name_that_is_not_found_is_a_failure():
    def nothing(host: str, port: int) -> list[str]:
        raise socket.gaierror("no such name")

    with pytest.raises(Unanswered, match="could not be resolved"):
        post("https://hooks.example.com/", resolve=nothing)


# --- Host and certificate stay those of the name


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for hooks.example.com with its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example.com")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example.com")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


class TlsServer:
    """A TLS server that notes the name that it was asked for, and the Host header."""

    def __init__(self, certificate: Path) -> None:
        self.server_names: list[str | None] = []
        self.heads: list[bytes] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.sni_callback = lambda _socket, name, _context: self.server_names.append(name)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.context = context
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(plain, server_side=True) as secure:
                    # Whole, before the answer: what is left unread when a socket closes resets the connection.
                    with secure.makefile("rb") as request:
                        head = b"".join(iter(request.readline, b"\r\n"))
                        request.read(int(re.search(rb"(?i)content-length: (\d+)", head)[1]))
                    self.heads.append(head)
                    secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            except (ssl.SSLError, OSError):
                plain.close()


@pytest.fixture
def secure(certificate, settings) -> Iterator[TlsServer]:
    server = TlsServer(certificate)
    settings.ASSENT_WEBHOOK_PRIVATE = [f"hooks.example.com:{server.port}", f"other.example.com:{server.port}"]
    yield server
    server.listener.close()


def test_the_certificate_is_the_names_though_the_connection_goes_to_the_address(secure, certificate):
    trust = ssl.create_default_context(cafile=str(certificate))
    answer = post(f"https://hooks.example.com:{secure.port}/in", resolve=RebindingResolver("127.0.0.1"), trust=trust)

    assert answer.status == 200
    assert secure.server_names == ["hooks.example.com"]
    assert secure.heads[0].startswith(b"POST /in HTTP/1.1\r\n")
    assert f"Host: hooks.example.com:{secure.port}\r\n".encode() in secure.heads[0]


def test_the_certificate_of_another_name_is_a_failure(secure, certificate):
    trust = ssl.create_default_context(cafile=str(certificate))
    with pytest.raises(Unanswered, match="certificate"):
        post(f"https://other.example.com:{secure.port}/", resolve=RebindingResolver("127.0.0.1"), trust=trust)
    assert secure.heads == []


def test_a_certificate_that_nobody_vouches_for_is_a_failure(secure):
    with pytest.raises(Unanswered, match="certificate"):
        post(f"https://hooks.example.com:{secure.port}/", resolve=RebindingResolver("127.0.0.1"))
    assert secure.heads == []
