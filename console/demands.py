"""Who must have a second factor: admins by a setting, a tier's reviewers by policy."""

from django.conf import settings
from django.utils.translation import gettext as _

from approvals.models import User
from approvals.reachable import with_factor
from approvals.review import access


def kept_from_admin(user: User) -> bool:
    """Whether this person may use the admin only with a second factor, and has none."""
    return bool(settings.ASSENT_ADMINS_SECOND_FACTOR and user.is_staff and not with_factor([user.pk]))


def owed(user: User) -> str:
    """What somebody is told who must have a second factor and has none; "" for everybody else."""
    if kept_from_admin(user):
        return _("The admin demands a second factor. Add one here first.")
    if access.lacks_factor(user):
        return _("A tier you review demands a second factor. Add one here before you decide.")
    return ""
