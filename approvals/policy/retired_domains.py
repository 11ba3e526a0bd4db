"""Domains that are retired: policy leads nowhere to them, and what waits there can still be decided."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from approvals.models import Domain, PolicyVersion
from approvals.policy.authoring import documents
from approvals.policy.authoring.documents import snapshot_of_tables
from approvals.policy.authoring.fields import Row


def reasons_to_keep(domain: Domain) -> Iterator[str]:
    """Why this domain cannot be retired yet, with the mend; nothing for one that is active."""
    if domain.active:
        return
    draft, published = snapshot_of_tables(), PolicyVersion.objects.first()
    if domain.slug in documents.domains_of(draft):
        message = _(
            "Policy still leads to “%(domain)s”: %(things)s. Move them to another domain or switch them off first."
        )
        yield message % {"domain": domain, "things": ", ".join(_named(domain.slug, draft))}
    elif published is not None and domain.slug in documents.domains_of(published.snapshot):
        message = _("The policy in force still leads to “%(domain)s”: publish the draft first.")
        yield message % {"domain": domain}


def retired_domain_complaints(snapshot: Row) -> Iterator[str]:
    """Why this snapshot cannot be published: the retired domains to which it leads."""
    for domain in Domain.objects.filter(active=False, slug__in=documents.domains_of(snapshot)):
        message = _("“%(domain)s” is retired, and this leads to it: %(things)s. Bring the domain back, or move them.")
        yield message % {"domain": domain, "things": ", ".join(_named(domain.slug, snapshot))}


def _named(slug: str, snapshot: Row) -> Iterator[str]:
    """What leads to the domain, each by its name."""
    for row in snapshot["types"].values():
        if row["domain"] == slug:
            yield str(row["title"])
    for level, row in snapshot["tiers"].items():
        if any(capacity["domain"] == slug for capacity in row.get("capacities", ())):
            yield _("the capacity of tier %(level)s") % {"level": level}
        if any(terms["domain"] == slug for terms in row.get("terms", ())):
            yield _("the terms of tier %(level)s") % {"level": level}
    for rule in [*snapshot["rules"], *(rule for row in snapshot["types"].values() for rule in row["rules"])]:
        if any(stage["domain"] == slug for stage in rule.get("stages", ())):
            yield _("the rule “%(name)s”") % {"name": rule["name"]}
