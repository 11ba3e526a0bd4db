"""Sends one mail."""

from django.core.mail import EmailMessage

from approvals.notify.deliveries import NotDelivered


def send(address: str, subject: str, text: str) -> None:
    """Raises NotDelivered."""
    try:
        EmailMessage(subject, text, to=[address]).send()
    except OSError as error:  # refused, unreachable, SMTP's own errors
        raise NotDelivered(str(error)[:200] or type(error).__name__) from None
