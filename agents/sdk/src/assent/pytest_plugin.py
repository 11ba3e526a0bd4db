"""For pytest: the fixture `assent_gateway`, and no test that reaches a real gateway by accident.

    def test_a_big_refund_is_cut(assent_gateway):
        assent_gateway.modify("refund", {"amount": "200.00"})
        refund("456", "420.00")                       # decorated with requires_approval
        assent_gateway.assert_ran("refund", amount="200.00")

    @pytest.mark.assent_approve                       # or ("refund", "send_mail"): only these
    def test_the_way_through(assent_gateway): ...

Whatever client the code under test makes, or has made while it was imported, talks to the fixture's gateway. In a
test without the fixture a call to Assent is an error that says so; `@pytest.mark.assent_live`, or `assent_live = true`
in pytest's configuration, lets it through.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from assent.testing import FakeGateway

_OURS = "assent-python"  # how the library's own calls are known, whoever made the client
_PATIENCE = 0.3  # seconds; a gateway that is told to be unreachable should not make a test slow


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("assent_live", "let tests reach a real gateway", type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "assent_live: this test may reach a real gateway")
    config.addinivalue_line("markers", "assent_approve(*actions): the fixture assent_gateway approves these, or all")


@pytest.fixture(autouse=True)
def _assent_guard(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of the library leaves this process unless the test is meant to."""
    live = request.node.get_closest_marker("assent_live") or request.config.getini("assent_live")
    if not live:
        _divert(monkeypatch, None)
    yield


@pytest.fixture
def assent_gateway(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, _assent_guard: None
) -> Iterator[FakeGateway]:
    """A fake gateway to which every client of this test talks; see assent.testing."""
    from assent import core, defaults, flows

    fake = FakeGateway()
    for mark in request.node.iter_markers("assent_approve"):
        for action in mark.args or (None,):
            fake.approve(action)
    for name, value in {**fake.environment, "ASSENT_STATE": str(tmp_path / "assent")}.items():
        monkeypatch.setenv(name, value)
    _divert(monkeypatch, fake)
    monkeypatch.setattr(flows, "OUTAGE", _PATIENCE)
    _impatient(monkeypatch, core.Settings)
    with defaults.fresh():
        yield fake


def _divert(monkeypatch: pytest.MonkeyPatch, fake: FakeGateway | None) -> None:
    """Send the library's calls to the fake, or make them fail the test; other users of httpx notice nothing."""
    sent, asent = httpx.HTTPTransport.handle_request, httpx.AsyncHTTPTransport.handle_async_request

    def handle(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        if not _is_ours(request):
            return sent(self, request)
        return fake.transport.handle_request(request) if fake else _forbidden_call(request)

    async def ahandle(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        if not _is_ours(request):
            return await asent(self, request)
        return await fake.transport.handle_async_request(request) if fake else _forbidden_call(request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle)
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", ahandle)


def _is_ours(request: httpx.Request) -> bool:
    return str(request.headers.get("user-agent", "")).startswith(_OURS)


def _forbidden_call(request: httpx.Request) -> httpx.Response:
    # pytest's own failure: no `except Exception` of the code under test can swallow it.
    pytest.fail(
        f"This test called a real gateway: {request.method} {request.url}. Ask for the fixture assent_gateway, or "
        "mark the test with @pytest.mark.assent_live.",
        pytrace=False,
    )


def _impatient(monkeypatch: pytest.MonkeyPatch, settings: type) -> None:
    """Clients made in this test give up on an unreachable gateway soon."""
    original = settings.resolve  # type: ignore[attr-defined]  # a classmethod of core.Settings

    def soon(*args: object, patience: float, **options: object) -> object:
        return original(*args, patience=min(patience, _PATIENCE), **options)

    monkeypatch.setattr(settings, "resolve", soon)
