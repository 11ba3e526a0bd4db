"""Who must have a second factor: admins by a setting, a tier's reviewers by policy."""

from django.conf import settings
from django.utils.translation import gettext as _

from approvals.models import User
from approvals.people import access
from approvals.people.reachable import having_second_factor


def lacks_admin_factor(user: User) -> bool:
    """Whether this person may use the admin only with a second factor, and has none."""
    return bool(settings.ASSENT_ADMINS_SECOND_FACTOR and user.is_staff and not having_second_factor([user.pk]))


def missing_factor_sentence(user: User) -> str:
    """What somebody is told who must have a second factor and has none; "" for everybody else."""
    if lacks_admin_factor(user):
        return _("The admin demands a second factor. Add one here first.")
    if access.lacks_factor(user):
        return _("A tier you review demands a second factor. Add one here before you decide.")
    return ""
