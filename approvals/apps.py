from importlib import import_module

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ApprovalsConfig(AppConfig):
    name = "approvals"
    verbose_name = "Policy and people"

    def ready(self) -> None:
        from approvals.people import roles

        import_module("approvals.policy.messages")  # with it every reason, which rows name by its code

        post_migrate.connect(roles.set_admins, dispatch_uid="approvals.people.roles.set_admins")
