"""The fixture for users' own tests, tried as they would: in a pytest of their own."""

import pytest

pytest_plugins = ["pytester"]

AGENT = """
    import assent

    paid = []

    @assent.requires_approval("refund")
    def refund(order: str, amount: str) -> str:
        paid.append((order, amount))
        return "paid"

    @assent.requires_approval("refund")
    async def arefund(order: str, amount: str) -> str:
        paid.append((order, amount))
        return "paid"
"""


@pytest.fixture
def run(pytester, monkeypatch):
    for name in ("ASSENT_URL", "ASSENT_KEY", "ASSENT_STATE"):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyfile(agent=AGENT)
    pytester.makeini(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\naddopts = --strict-markers"
    )

    def tests(source: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(source)
        return pytester.runpytest_inprocess("-p", "assent.pytest_plugin", "-p", "no:django", *options)

    return tests


def test_the_code_under_test_talks_to_the_fixture(run):
    run(
        """
        import agent, assent, pytest

        def test_a_modification_is_what_runs(assent_gateway):
            assent_gateway.modify("refund", {"amount": "200.00"})
            assert agent.refund("456", "420.00") == "paid"
            assert agent.paid == [("456", "200.00")]
            assent_gateway.assert_ran("refund", amount="200.00")
            assent_gateway.assert_reported("succeeded")

        def test_a_rejection_is_an_error_and_nothing_runs(assent_gateway):
            agent.paid.clear()
            assent_gateway.reject("too much")
            with pytest.raises(assent.Rejected, match="too much"):
                agent.refund("456", "420.00")
            assert agent.paid == []
            assent_gateway.assert_nothing_ran()

        async def test_coroutines_too(assent_gateway):
            assent_gateway.approve()
            assert await agent.arefund("456", "1.00") == "paid"

        @pytest.mark.assent_approve("refund")
        def test_by_a_mark(assent_gateway):
            assert agent.refund("456", "420.00") == "paid"

        @pytest.mark.assent_approve
        def test_by_a_mark_for_all(assent_gateway):
            assert agent.refund("456", "420.00") == "paid"

        def test_an_outage_does_not_make_the_test_slow(assent_gateway):
            import time
            began = time.monotonic()
            with assent_gateway.unreachable(), pytest.raises(assent.Unavailable):
                agent.refund("456", "420.00")
            assert time.monotonic() - began < 5
        """
    ).assert_outcomes(passed=6)


def test_without_the_fixture_nothing_reaches_the_network(run, monkeypatch):
    monkeypatch.setenv("ASSENT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ASSENT_KEY", "asn_real")
    result = run(
        """
        import agent, assent

        early = assent.Assent(patience=0)

        def test_by_accident():
            try:
                agent.refund("456", "420.00")
            except Exception:
                pass

        def test_by_a_client_made_at_import():
            early.whoami()

        async def test_by_accident_async():
            async with assent.AsyncAssent() as client:
                await client.whoami()
        """
    )
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["*called a real gateway: *http://127.0.0.1:9/*assent_gateway*"])


def test_live_tests_say_so(run, monkeypatch):
    monkeypatch.setenv("ASSENT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ASSENT_KEY", "asn_real")
    source = """
        import assent, pytest

        {mark}
        def test_on_purpose():
            with pytest.raises(assent.Unavailable):
                assent.Assent(patience=0).whoami()
    """
    run(source.format(mark="@pytest.mark.assent_live")).assert_outcomes(passed=1)
    run(source.format(mark=""), "-o", "assent_live=true").assert_outcomes(passed=1)


def test_other_users_of_httpx_notice_nothing(run):
    run(
        """
        import threading, httpx
        from http.server import BaseHTTPRequestHandler, HTTPServer

        class Here(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(204)
                self.end_headers()
            def log_message(self, *args): pass

        def test_another_service(assent_gateway):
            with HTTPServer(("127.0.0.1", 0), Here) as server:
                thread = threading.Thread(target=server.handle_request)
                thread.start()
                assert httpx.get(f"http://127.0.0.1:{server.server_port}").status_code == 204
                thread.join()
        """
    ).assert_outcomes(passed=1)
