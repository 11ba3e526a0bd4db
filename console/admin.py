"""One door for everybody: the admin's own login page would know neither the login's rate limits nor second factors."""

from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.utils.translation import gettext_lazy as _

admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.index_title = _("Policy and people")
# An address, like a second factor, belongs to the person's own page.
admin.site.unregister([EmailAddress, Authenticator])
