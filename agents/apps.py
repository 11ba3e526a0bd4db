from django.apps import AppConfig
from django.db.models.signals import pre_save


class AgentsConfig(AppConfig):
    name = "agents"
    verbose_name = "Agents"

    def ready(self) -> None:
        from agents import keys
        from agents.long_poll import announce
        from approvals.history import audit
        from approvals.models import User

        audit.listen(announce)
        pre_save.connect(keys.keep_tokens, sender=User, dispatch_uid="keys")
