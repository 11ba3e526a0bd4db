"""The help: every page is there, leads on, and what can be pasted from it works, in both languages.

Behind the language of a fence stands what people do meanwhile, once for each thing that is asked, the last word for
all that follow: `python approve`, `sh reject`, `python modify amount=200.00`, `sh answer Berlin`, `python ask` (a
question first, the approval after its answer), `python guide` (advice, then the approval), `sh approve,reject`.
`grant` gives a standing approval before it runs, `pytest` makes a test file of it, `skip` is for what cannot run here.
"""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import assent
import pytest
from django.db import connection
from django.test import Client, TransactionTestCase
from django.urls import reverse

from agents import keys, schemas
from approvals.db import times
from approvals.decisions import agent_questions, guidance
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.execution import consume, grants, permits
from approvals.models import ActionType, Agent, Approval, Membership, Tier, User
from approvals.policy import snapshot
from approvals.policy.authoring import files, packs, validation
from console.help import pages
from tests.conftest import ROOT, replace_arguments
from tests.web import Web

PAGES = pages.slugs()
# What no pack has: reversible, and no rule asks about it.
TAG = {
    "name": "tag_case",
    "title": "Tag",
    "headline": "tag case {case} as {tag}",
    "domain_id": "commerce",
    "tier_id": 1,
    "level": 2,
    "reversibility": "reversible",
    "strategy": "always",
    "schema": {
        "type": "object",
        "required": ["case", "tag"],
        "properties": {"case": {"type": "string"}, "tag": {"type": "string"}},
    },
}


@dataclass(frozen=True)
class Fence:
    """One snippet, and what people do while it runs."""

    language: str
    verdicts: tuple[str, ...]
    arguments: tuple[str, ...]
    code: str


def fences(slug: str, *languages: str) -> list[Fence]:
    snippets = []
    text = (pages.FOLDER / f"{slug}.md").read_text()
    for info, code in re.findall(r"^```([^\n]*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        language, *rest = info.split() or [""]
        verdicts = tuple(rest[0].split(",")) if rest else ()
        if language in languages and verdicts != ("skip",):
            snippets.append(Fence(language, verdicts, tuple(rest[1:]), code))
    return snippets


# --- Pages


@pytest.mark.parametrize("slug", PAGES)
def test_a_page_shows_to_anybody_and_its_links_lead_somewhere(slug, db):
    page = Client().get(reverse("help:page", args=[slug]))
    html = page.content.decode()

    assert page.status_code == 200
    assert pages.page(slug).title in html
    for target, anchor in re.findall(r'href="(/help/[^"#]+)(?:#([^"]+))?"', html):
        answer = Client().get(target)
        assert answer.status_code == 200, target
        assert f'id="{anchor}"' in answer.content.decode() if anchor else True, f"{target}#{anchor}"
    inside = set(re.findall(r'id="([^"]+)"', html))
    for anchor in re.findall(r'href="#([^"]+)"', html):
        assert anchor in inside, anchor


def test_every_file_of_the_help_is_in_its_contents():
    assert {path.stem for path in pages.FOLDER.glob("*.md")} == set(PAGES)


def test_every_snippet_of_the_api_is_there_in_both_languages():
    for slug in PAGES:
        for part in pages.page(slug).parts:
            languages = [code.language for code in part.codes]
            assert "sh" not in languages or languages == ["python", "sh"], f"{slug}: {part.codes[0].html}"


def test_markup_in_a_page_stays_text():
    html = pages._markdown.render("<script>alert(1)</script> and [x](javascript:alert(1))")

    assert "<script" not in html
    assert 'href="javascript' not in html


def test_an_unknown_page_is_not_found(db):
    assert Client().get("/help/nothing-of-the-kind/").status_code == 404


def test_the_page_of_errors_has_every_code_that_the_api_answers_and_no_other():
    server = [path for path in (ROOT / "agents").rglob("*.py") if "sdk" not in path.relative_to(ROOT).parts]
    sources = [path.read_text() for path in server]
    codes = {code for text in sources for code in re.findall(r'\bProblem\(\s*\d{3},\s*"([a-z_]+)"', text)}
    codes |= {value for name, value in vars(consume).items() if name.isupper() and isinstance(value, str)}

    text = (pages.FOLDER / "errors.md").read_text()
    assert set(re.findall(r"^### `([a-z_]+)`$", text, re.MULTILINE)) == codes


def test_the_policy_file_of_the_help_could_be_published():
    [fence] = fences("versions", "toml")

    file = files.read(fence.code)
    assert file.whole
    assert validation.faults(file.snapshot) == []


def test_the_confidence_of_the_help_is_one_that_the_api_could_answer():
    [fence] = fences("confidence", "json")

    schemas.check("Confidence", json.loads(fence.code))


def test_an_error_of_the_api_leads_to_its_place_in_the_help(db):
    problem = Client().get("/api/v1/whoami").json()

    page, _, anchor = problem["type"].partition("#")
    html = Client().get(page.removeprefix("http://127.0.0.1:8000")).content.decode()
    assert anchor == problem["code"] == "unauthorized"
    assert f'id="{anchor}"' in html


@pytest.mark.parametrize(("page", "leads"), [("/", "quickstart"), ("/", "reviewing"), ("/admin/", "policy")])
def test_help_is_offered_where_one_looks_for_it(page, leads, as_, root):
    target = "/help/" if leads == PAGES[0] else reverse("help:page", args=[leads])

    assert f'href="{target}"' in as_(root).get(page).content.decode()


def test_the_reference_of_the_api_leads_to_the_help(client):
    assert client.get("/api/v1/openapi.json").json()["externalDocs"]["url"].endswith(reverse("help:contents"))


# --- Snippets


@dataclass(frozen=True)
class SnippetHost:
    """Where the snippets run."""

    url: str
    token: str
    carol: User

    def environment(self, agent: Agent, folder: Path) -> dict[str, str]:
        bin = folder / "bin"
        bin.mkdir()
        command = bin / "assent"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m assent "$@"\n')
        command.chmod(0o755)
        return {
            "ASSENT_URL": self.url,
            "ASSENT_KEY": keys.issue(agent=agent, name="help")[1],
            "ASSENT_TOKEN": self.token,
            "ASSENT_STATE": str(folder / "state"),
            "HOME": str(folder),
            "PATH": f"{bin}:{os.environ['PATH']}",
        }


@pytest.fixture(scope="module")
def transactional_db(django_db_setup, django_db_blocker) -> Iterator[None]:
    """For the whole file at once: a console takes longer to start than its pages to run."""
    with django_db_blocker.unblock():
        yield
        TransactionTestCase("run")._fixture_teardown()
        connection.close()


@pytest.fixture(scope="module")
def shop(transactional_db, tmp_path_factory) -> Iterator[SnippetHost]:
    """Commerce, a senior who never hesitates, and a clock that runs."""
    permits.forget()
    packs.load("commerce")
    ActionType.objects.create(**TAG)
    Tier.objects.update(hold=timedelta(0))
    snapshot.publish(by=None, note="help")
    carol = User.objects.create(username="carol", email="carol@example.com", first_name="Carol")
    Membership.objects.create(user=carol, tier_id=3)
    web = Web(tmp_path_factory.mktemp("web"))
    try:
        web.start()
        web.clock()
        yield SnippetHost(web.url, keys.issue(user=carol, name="help")[1], carol)
    finally:
        web.stop()


class Reviewer:
    """Does what a fence says with everything that is asked while it runs."""

    def __init__(self, fence: Fence, agent: Agent, by: User) -> None:
        self.fence, self.agent, self.by = fence, agent, by
        self.before = set(self.of_agent().values_list("pk", flat=True))
        self.settled = 0

    def of_agent(self):
        return Approval.objects.filter(agent=self.agent)

    def look(self) -> None:
        for approval in self.of_agent().filter(status="pending").exclude(pk__in=self.before).order_by("created_at"):
            self.settle(approval)

    def settle(self, approval: Approval) -> None:
        turn = self.fence.verdicts[min(self.settled, len(self.fence.verdicts) - 1)]
        if turn == "ask":
            question = approval.inquiries.first()
            if question is None:
                agent_questions.ask(approval.pk, by=self.by, text="Is there a photo of it?")
            if question is None or question.answered_at is None:
                return
        if turn == "guide":
            subject = approval.pk
            guidance.give(approval.request.run_id, by=self.by, text="Offer an exchange first.", approval_id=subject)
        verdict_input = VerdictInput()
        if turn in ("reject", "stop"):
            verdict_input = VerdictInput(message="Not this one.", stop=turn == "stop")
        elif turn == "modify":
            changes = dict(one.split("=", 1) for one in self.fence.arguments)
            verdict_input = VerdictInput(edits=replace_arguments({**load(approval.pk).proposal.args, **changes}))
        elif turn == "answer":
            verdict_input = VerdictInput(answer=" ".join(self.fence.arguments))
        verdict = {"ask": "approve", "guide": "approve", "stop": "reject"}.get(turn, turn)
        decide(card_version_of(load(approval.pk)), by=self.by, verdict=verdict, verdict_input=verdict_input)
        self.settled += 1


@contextmanager
def people_deciding(fence: Fence, agent: Agent, carol: User) -> Iterator[None]:
    """Somebody who settles what the snippet asks, the way its fence says; what goes wrong there fails the test."""
    if fence.verdicts == ("grant",):
        let_tags_pass(agent, carol)
    if not fence.verdicts or fence.verdicts[0] in ("grant", "pytest"):
        yield
        return
    done, wrong = threading.Event(), []
    reviewer = Reviewer(fence, agent, carol)

    def review() -> None:
        try:
            while not done.wait(0.03):
                reviewer.look()
            reviewer.look()  # what was asked at the very end
        except Exception as error:
            wrong.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=review)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        if wrong:
            raise wrong[0]
    assert reviewer.settled >= len(fence.verdicts), f"People were asked {reviewer.settled} times:\n{fence.code}"


def let_tags_pass(agent: Agent, carol: User) -> None:
    few = [{"path": "tag", "op": "in", "value": ["damaged", "late"]}]
    ends = times.now() + timedelta(days=1)
    grants.give(grants.GrantRequest(agent.pk, "tag_case", 20, ends, 1, conditions=few, reserved=5), by=carol)


@pytest.mark.slow
@pytest.mark.parametrize("slug", [slug for slug in PAGES if fences(slug, "python")])
def test_the_python_of_a_page_runs(slug, shop, monkeypatch, tmp_path):
    agent = Agent.objects.create(name=f"{slug}-python")
    for name, value in shop.environment(agent, tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": slug}
    with assent.defaults.fresh():
        try:
            for fence in fences(slug, "python"):
                with people_deciding(fence, agent, shop.carol):
                    if fence.verdicts == ("pytest",):
                        passes_as_a_test(fence.code, tmp_path)
                    else:
                        exec(compile(fence.code, f"{slug}.md", "exec"), names)  # noqa: S102  # our own help
        finally:
            for value in names.values():
                if isinstance(value, assent.Assent):
                    value.close()


def passes_as_a_test(code: str, folder: Path) -> None:
    (folder / "test_help.py").write_text(code)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:django", "-p", "no:cacheprovider"]
    loaded = [] if "assent" in plugins() else ["-p", "assent.pytest_plugin"]
    assert_succeeds([*command, *loaded, "test_help.py"], folder, dict(os.environ))


def plugins() -> set[str]:
    from importlib.metadata import entry_points

    return {one.name for one in entry_points(group="pytest11")}


def assert_succeeds(command: list[str], folder: Path, environment: dict[str, str], code: str = "") -> None:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("slug", [slug for slug in PAGES if fences(slug, "sh", "bash")])
def test_the_shell_of_a_page_runs(slug, shop, tmp_path):
    agent = Agent.objects.create(name=f"{slug}-shell")
    environment = shop.environment(agent, tmp_path)
    kept = tmp_path / "kept"
    kept.write_text("")
    for fence in fences(slug, "sh", "bash"):
        script = f"set -eo pipefail; source {kept}; set -a\n{fence.code}\nset +a; {{ export -p; declare -f; }} > {kept}"
        with people_deciding(fence, agent, shop.carol):
            assert_succeeds(["bash", "-c", script], tmp_path, environment, fence.code)


def test_a_reviewer_who_stumbles_fails_the_test(monkeypatch, db):
    """Or a snippet would be waited for until its time is up."""
    fence = Fence("python", ("approve",), (), "")
    monkeypatch.setattr(Reviewer, "look", lambda self: 1 / 0)

    with pytest.raises(ZeroDivisionError), people_deciding(fence, Agent.objects.create(name="robot"), User()):
        pass
