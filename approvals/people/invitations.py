"""The way to a password: a link to the person, good once and for three days. No admin sets one for somebody else."""

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.utils import translation
from django.utils.translation import gettext as _

from approvals import links
from approvals.history import audit
from approvals.models import SystemAuditEvent, User
from approvals.notify import mail
from approvals.notify.deliveries import NotDelivered


def link(person: User) -> str:
    """Where the person sets a password; over with the first password that is set."""
    token = default_token_generator.make_token(person)
    return links.link(links.Page.PASSWORD, user_pk_to_url_str(person), token)


def invite(person: User, *, by: audit.Actor) -> bool:
    """Send the link to the person's own address. False where that fails, or there is none."""
    if not person.email or not person.is_active:
        return False
    with translation.override(person.language):
        subject = _("Set your password for Assent")
        text = _("%(name)s, set your password here. The link works once, and for three days:\n\n%(link)s\n")
        text %= {"name": person.name, "link": link(person)}
    try:
        mail.send(person.email, subject, text)
    except NotDelivered:
        return False
    record(person, by=by, sent=person.email)
    return True


def record(person: User, *, by: audit.Actor, sent: str) -> None:
    audit.record(SystemAuditEvent.Kind.PASSWORD_LINK, by=by, subject=f"user:{person.username}", detail={"to": sent})
