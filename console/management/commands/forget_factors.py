"""`manage.py forget_factors NAME`: for whoever has lost phone, passkeys and recovery codes."""

from argparse import ArgumentParser

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.translation import gettext as _

from approvals.db import times
from approvals.history import audit
from approvals.history.chains import COMMAND
from approvals.models import AccountEvent, SystemAuditEvent, User
from approvals.notify import mail
from console.sign_in import factors

REMOVED = SystemAuditEvent.Kind.FACTOR_REMOVED


class Command(BaseCommand):
    help = "Remove a person's second factors and recovery codes; the password alone signs in until one is added."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: object, username: str, **options: object) -> None:
        user = User.objects.filter(username__iexact=username).first()
        if user is None:
            raise CommandError(f"there is nobody called {username}")
        with transaction.atomic():
            lost = factors.factors_of(user)
            Authenticator.objects.filter(pk__in=[factor.pk for factor in lost]).delete()
            for factor in lost:
                facts = {"factor": factor.type, "name": str(factor)}
                AccountEvent.objects.create(kind=REMOVED, user=user, facts=facts, at=times.now())
                audit.record(REMOVED, by=COMMAND, subject=f"user:{user.username}", detail=facts)
        if lost and user.email:
            subject = settings.ACCOUNT_EMAIL_SUBJECT_PREFIX + _("Second factors removed")
            text = _("An administrator removed the second factors of your account. Add new ones under Security.")
            mail.send(user.email, subject, text)
        self.stdout.write(f"{len(lost)} removed of {user.username}.")
