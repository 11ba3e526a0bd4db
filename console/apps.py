from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "console"
    verbose_name = "Console"

    def ready(self) -> None:
        # Here and not in console/__init__.py: manage.py imports that before any package is installed. Tasks that
        # are rung from the web processes need the configured Celery application.
        from console import links
        from console.inbox import live
        from console.sign_in import accounts, factors

        links.connect()
        live.connect()
        accounts.connect()
        factors.connect()
