from django.apps import AppConfig
from django.db.models.signals import pre_save


class AgentsConfig(AppConfig):
    name = "agents"
    verbose_name = "Agents"

    def ready(self) -> None:
        from agents import keys
        from agents.waker import announce
        from approvals import audit
        from approvals.models import User

        audit.listen(announce)
        pre_save.connect(keys.follow, sender=User, dispatch_uid="keys")
