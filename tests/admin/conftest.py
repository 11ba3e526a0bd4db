"""A browser in the admin: pages are read, forms are filled in and sent as a person would."""

from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import Group
from django.http import HttpResponse
from django.test import Client

from approvals.models import User
from approvals.people import roles


class Form(HTMLParser):
    """The fields of the one POST form of a page whose id ends in _form, as a browser would send them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.data: dict[str, list[str]] = {}
        self.open = False
        self.select = self.area = ""
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        attribute_values = dict(attributes)
        if tag == "form":
            self.open = (attribute_values.get("id") or "").endswith("_form")
        name = attribute_values.get("name")
        if not self.open:
            return
        if tag == "select":
            self.select = name or ""
        elif tag == "option" and "selected" in attribute_values and self.select:
            self.data.setdefault(self.select, []).append(attribute_values.get("value") or "")
        elif tag == "textarea":
            self.area, self.text = name or "", ""
        elif tag == "input" and name and attribute_values.get("type") not in {"submit", "file"}:
            if attribute_values.get("type") in {"checkbox", "radio"} and "checked" not in attribute_values:
                return
            self.data.setdefault(name, []).append(
                attribute_values.get("value") or ("on" if attribute_values.get("type") == "checkbox" else "")
            )

    def handle_data(self, text: str) -> None:
        if self.area:
            self.text += text

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.open = False
        elif tag == "select":
            self.select = ""
        elif tag == "textarea" and self.area:
            self.data[self.area] = [self.text.removeprefix("\n")]
            self.area = ""


@pytest.fixture
def save() -> Callable[..., HttpResponse]:
    """Open a form, change these fields and send it: save(client, "/admin/approvals/tier/2/change/", sla="0")."""

    def send(client: Client, url: str, **changes: object) -> HttpResponse:
        page = client.get(url)
        assert page.status_code == 200, page
        data = {name: values for name, values in Form(page.content.decode()).data.items() if "__prefix__" not in name}
        for name, value in changes.items():
            data[name] = value if isinstance(value, list) else [str(value)]
        return client.post(url, {name: values for name, values in data.items() if values})

    return send


@pytest.fixture(autouse=True)
def plain_files(settings) -> None:
    """Pages render without collected static files."""
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


def errors(response: HttpResponse) -> str:
    """Everything that the page complains about, as one text; fails when it was saved."""
    assert response.status_code == 200, f"it was saved: {response.headers.get('Location')}"
    context_errors = list(response.context["errors"])
    return " ".join(str(text) for rows in context_errors for text in (rows if isinstance(rows, list) else [rows]))


@pytest.fixture
def refused() -> Callable[[HttpResponse], str]:
    return errors


@pytest.fixture
def admin(ada) -> User:
    """Ada with what the group Admins may do."""
    ada.groups.add(Group.objects.get(name=roles.ADMINS))
    return ada
