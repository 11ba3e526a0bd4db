"""A key is trimmed, and stands in nothing that anybody reads."""

import logging
import pickle
import traceback

import httpx
import pytest

import assent
from assent import Assent, AsyncAssent, cli
from assent.core import Settings

KEY = "asn_secretsecretsecret"


@pytest.mark.parametrize("around", ["{}\n", " {}", "\t{}\r\n", "{}"])
def test_white_space_around_a_key_is_not_of_it(fake, tmp_path, monkeypatch, around):
    fake.approve()
    fake.key = KEY
    with Assent(fake.url, around.format(KEY), transport=fake.transport, state=tmp_path) as client:
        assert client.whoami().agent == "test-agent"
    monkeypatch.setenv("ASSENT_KEY", around.format(KEY))
    monkeypatch.setenv("ASSENT_URL", f" {fake.url}\n")
    with Assent(transport=fake.transport, state=tmp_path) as client:
        assert client.whoami().agent == "test-agent"


@pytest.mark.parametrize("broken", ["asn_hush\nhush", "asn_hush hush", "asn_hushü", "asn_hush\x00", "asn_hush\x7f"])
@pytest.mark.parametrize("kind", [Assent, AsyncAssent])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(broken, kind, tmp_path):
    with pytest.raises(assent.NotConfigured) as no:
        kind("https://assent.test", broken, state=tmp_path)
    shown = "".join(traceback.format_exception(no.value)) + repr(no.value)
    assert "hush" not in shown


def test_blank_is_no_key(monkeypatch):
    monkeypatch.delenv("ASSENT_KEY", raising=False)
    with pytest.raises(assent.NotConfigured, match="Who asks"):
        Assent("https://assent.test", " \n")


def test_nothing_shows_the_key(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)

    def lost(request):
        raise httpx.ConnectError("no route", request=request)

    client = Assent("https://assent.test", KEY, state=tmp_path, patience=0.1, transport=httpx.MockTransport(lost))
    with pytest.raises(assent.Unavailable) as away:
        client.submit("refund", {})
    shown = [repr(client), repr(client.settings), str(client.settings), repr(client._core), repr(client._hands.http)]
    shown += ["".join(traceback.format_exception(away.value)), repr(pickle.dumps(away.value)), caplog.text]
    with pytest.raises(TypeError) as no:
        pickle.dumps(client.settings)
    shown += [str(no.value), "".join(str(path) for path in tmp_path.rglob("*"))]
    client.close()

    assert not [text for text in shown if KEY in text]


def test_the_folder_is_the_same_with_and_without_white_space(monkeypatch):
    monkeypatch.delenv("ASSENT_STATE", raising=False)
    places = {
        Settings.resolve("https://a.test", key, agent=None, state=None, timeout=1, patience=1).state
        for key in (KEY, f"{KEY}\n")
    }
    assert len(places) == 1


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("ASSENT_KEY", ["doctor"]),
        ("ASSENT_TOKEN", ["doctor"]),
        ("ASSENT_TOKEN", ["inbox"]),
        ("ASSENT_KEY", ["submit", "refund"]),
    ],
)
def test_the_command_line_does_not_show_it_either(monkeypatch, tmp_path, capsys, name, command):
    monkeypatch.setenv("ASSENT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ASSENT_STATE", str(tmp_path))
    monkeypatch.setenv(name, "as_hush\nhush")

    assert cli.main(command) in (cli.NO, cli.UNSET)

    output = capsys.readouterr()
    assert output.out + output.err
    assert "hush" not in output.out + output.err
