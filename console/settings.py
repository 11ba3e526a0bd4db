"""Every setting, from the environment.

Two modes. *Embedded*: `manage.py up` runs PostgreSQL and Valkey itself and keeps a secret in its data directory.
*Production*: DATABASE_URL, REDIS_URL, SECRET_KEY and ALLOWED_HOSTS are given, and start-up refuses to go without.
"""

import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from console import env

BASE_DIR = Path(__file__).resolve().parent.parent
ASSENT_DATA = Path(env.text("ASSENT_DATA", str(BASE_DIR / ".assent"))).resolve()
ASSENT_DEMO = env.flag("ASSENT_DEMO")
ASSENT_BASE_URL = env.text("ASSENT_BASE_URL", "http://127.0.0.1:8000").rstrip("/")

_embedded = env.Embedded(ASSENT_DATA)
# Commands that read neither database nor secret must run on a fresh clone.
_offline = len(sys.argv) > 1 and sys.argv[1] in {"up", "bench", "makemessages", "compilemessages", "help", "--version"}


def _required(name: str, value: str) -> str:
    if value:
        return value
    if _offline:
        return "offline"
    raise ImproperlyConfigured(f"{name} is not set, and no embedded servers run on {ASSENT_DATA} (manage.py up)")


SECRET_KEY = _required("SECRET_KEY", env.text("SECRET_KEY") or _embedded.secret())
SECRET_KEY_FALLBACKS = env.names("SECRET_KEY_FALLBACKS")
EMBEDDED = not env.text("SECRET_KEY")
DEBUG = env.flag("DEBUG")
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]" if EMBEDDED or DEBUG else "")
CSRF_TRUSTED_ORIGINS = env.names("CSRF_TRUSTED_ORIGINS")
INTERNAL_HTTP = env.flag("ALLOW_HTTP", EMBEDDED)

# --- Database and Redis

DATABASE_URL = _required("DATABASE_URL", env.text("DATABASE_URL") or _embedded.server("database_url"))
REDIS_URL = _required("REDIS_URL", env.text("REDIS_URL") or _embedded.server("redis_url"))


def _database(url: str) -> dict[str, object]:
    """A Django database from `postgresql://user:password@host:port/name?host=/socket/directory`."""
    parts = urlsplit(url)
    if not _offline and parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured("DATABASE_URL must start with postgresql://; no other engine settles races the same")
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": options.pop("user", unquote(parts.username or "")),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", parts.hostname or ""),
        "PORT": str(parts.port or ""),
        # Every ASGI request runs in a fresh thread: without the pool each would open a connection.
        "CONN_MAX_AGE": 0,
        "OPTIONS": {
            "pool": {"min_size": 1, "max_size": env.number("DATABASE_POOL", 20, at_least=2), "timeout": 10},
            # PostgreSQL's default is that of a spinning disk: with it an agent's history was sorted as a whole to read
            # its newest 400 rows, instead of walking the index that holds them in order. And a page's rows join seven
            # small tables: trying every order of them took the planner 30 ms, the query 1.
            # What is prepared (approvals/prepared.py) is planned once for a connection.
            "options": "-c random_page_cost=1.1 -c join_collapse_limit=4 -c plan_cache_mode=force_generic_plan",
            "prepare_threshold": 0,
            **options,
        },
    }


def redis_database(number: int) -> str:
    """The URL of logical database `number`, for TCP and for Unix sockets."""
    if REDIS_URL.startswith("unix://"):
        return f"{REDIS_URL.split('?')[0]}?db={number}"
    return f"{REDIS_URL.split('?')[0].rstrip('/')}/{number}" if urlsplit(REDIS_URL).path in {"", "/"} else REDIS_URL


DATABASES = {"default": _database(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
_CACHE = {"LOCATION": redis_database(2), "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1}}
CACHES = {
    "default": {"BACKEND": "console.cache.ForgivingRedisCache", **_CACHE},
    # The same keys, for the health page, which must notice that Redis is away.
    "strict": {"BACKEND": "django.core.cache.backends.redis.RedisCache", **_CACHE},
}
CHANNEL_LAYERS = {
    # The core layer times out after 5 s of silence and loses its pool at 1,000 group_add; the pub/sub layer does not.
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [redis_database(0)], "prefix": "assent"},
    }
}

# --- Celery's broker; how Celery works stands in celery.py

CELERY_BROKER_URL = (
    REDIS_URL.split("?")[0].replace("unix://", "redis+socket://") + "?virtual_host=1"
    if REDIS_URL.startswith("unix://")
    else redis_database(1)
)

# --- Applications

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "channels",
    "csp",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "approvals",
    "agents",
    "console",
]
MIDDLEWARE = [
    "console.middleware.CompressedPageMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "console.sign_in.session.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "console.sign_in.session.SessionOverMiddleware",
    "console.card.unsent_text.SentTextMiddleware",
    "console.middleware.PersonMiddleware",
    "console.failures.NulMiddleware",
    "console.failures.PageTimeMiddleware",
]
# Each middleware that is not async-native costs two thread hops a request: /api/ carries none of the page's.
API_MIDDLEWARE: list[str] = []
STATIC_MIDDLEWARE = ["whitenoise.middleware.WhiteNoiseMiddleware"]

ROOT_URLCONF = "console.urls"
ASGI_APPLICATION = "console.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "console.context.page",
            ]
        },
    }
]

# --- People

AUTH_USER_MODEL = "approvals.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = reverse_lazy("account_login")
LOGIN_REDIRECT_URL = reverse_lazy("inbox:inbox")
ACCOUNT_ADAPTER = "console.sign_in.accounts.ClosedAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # of those whom an admin made; a change of address is always verified
ACCOUNT_CHANGE_EMAIL = True  # a new address takes the place of the old one once it is confirmed, not before
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Assent] "
ACCOUNT_PASSWORD_INPUT_RENDER_VALUE = False
# Five wrong passwords in five minutes for one account *from one address* (the adapter's key names both), so that
# nobody is locked out by somebody elsewhere; and ten a minute from one address, whatever the account.
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,5/5m/key", "reauthenticate": "10/m/user"}
# How many proxies stand before the console, each of which appends the address it was called from.
ALLAUTH_TRUSTED_PROXY_COUNT = env.number("TRUSTED_PROXIES", 1 if env.flag("BEHIND_PROXY") else 0)
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_LOGOUT_REDIRECT_URL = reverse_lazy("account_login")
ACCOUNT_SESSION_REMEMBER = None
# A session is over after so long without the person (console/sessions.py); longer where one asked to stay signed in.
SESSION_COOKIE_AGE = 60 * env.number("ASSENT_SESSION_MINUTES", 12 * 60, at_least=5)
ACCOUNT_SESSION_COOKIE_AGE = max(SESSION_COOKIE_AGE, 7 * 86_400)
USERSESSIONS_ADAPTER = "console.profile.sessions.SessionsAdapter"
# A second factor: asked for after the password. Passkeys work over https and on http://localhost, by their own rules.
MFA_ADAPTER = "console.sign_in.factors.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_FORMS = {
    "authenticate": "console.sign_in.factors.CodeForm",
    "authenticate_webauthn": "console.sign_in.factors.PasskeyForm",
    "reauthenticate": "console.sign_in.factors.ConfirmCodeForm",
    "reauthenticate_webauthn": "console.sign_in.factors.ConfirmPasskeyForm",
}
# Nobody signs up: an address that waits to be confirmed is a change of one's own, and no reason to stay without one.
MFA_ALLOW_UNVERIFIED_EMAIL = True

# --- Requests and their limits

DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024  # one attachment and its form; the API holds its own 1 MB
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1100  # a batch of a thousand, and its form
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["agents.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "agents.api.operation.OperationSchema",
    "EXCEPTION_HANDLER": "agents.problems.handler",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Assent",
    "DESCRIPTION": "The review console that stands between AI agents and the world.",
    "VERSION": "1",
    "EXTERNAL_DOCS": {"description": "Help, with snippets in Python and curl", "url": f"{ASSENT_BASE_URL}/help/"},
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": [],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "OAS_VERSION": "3.1.1",  # its schemas are JSON Schema: the shapes that the API checks with, as they are
    "POSTPROCESSING_HOOKS": ["agents.api.openapi.complete"],
}

# --- Security

SECURE_HSTS_SECONDS = 0 if INTERNAL_HTTP else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = not INTERNAL_HTTP
SECURE_HSTS_PRELOAD = not INTERNAL_HTTP
SECURE_SSL_REDIRECT = not INTERNAL_HTTP
SECURE_REDIRECT_EXEMPT = [r"^health/"]  # load balancers ask without TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("BEHIND_PROXY") else None
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = not INTERNAL_HTTP
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SECURE = not INTERNAL_HTTP
CSRF_COOKIE_HTTPONLY = True
CSRF_USE_SESSIONS = True
CSRF_FAILURE_VIEW = "console.sign_in.views.csrf_failure"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    },
}
# Unfold ships standard Alpine, which compiles expressions; no agent content is shown under /admin/, but for headlines
# in a rehearsal, as text, to who may read those cards anyway.
ADMIN_CONTENT_SECURITY_POLICY = {
    **CONTENT_SECURITY_POLICY["DIRECTIVES"],
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
}

# --- Language, time, files

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "console" / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"
FORMAT_MODULE_PATH = ["console.formats"]
STATIC_URL = "/static/"
STATIC_ROOT = ASSENT_DATA / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "console.static_files.JoinedFinder",
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "console.static_files.HashedStorage"},
}
WHITENOISE_MAX_AGE = 3600
WHITENOISE_USE_FINDERS = DEBUG
# Embedded and without a mail server: letters are written to a folder, where they can be read.
EMAIL_BACKEND = (
    f"django.core.mail.backends.{'smtp' if env.text('EMAIL_HOST') or not EMBEDDED else 'filebased'}.EmailBackend"
)
EMAIL_FILE_PATH = ASSENT_DATA / "mail"
EMAIL_HOST = env.text("EMAIL_HOST", "localhost")
EMAIL_PORT = env.number("EMAIL_PORT", 25)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS")
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "assent@localhost")

# --- Assent

ASSENT_CHECKPOINT_SECONDS = env.number("ASSENT_CHECKPOINT_SECONDS", 3600, at_least=1)
ASSENT_CHECKPOINT_FILE = Path(env.text("ASSENT_CHECKPOINT_FILE", str(ASSENT_DATA / "checkpoints.jsonl")))
# Where webhooks may go beside the internet: hosts, or host:port, of a development machine. Also by plain http.
ASSENT_WEBHOOK_PRIVATE = env.names("ASSENT_WEBHOOK_PRIVATE")
ASSENT_WEBHOOK_PORTS = env.numbers("ASSENT_WEBHOOK_PORTS", "443,8443")
# Notifications: where services may lead beside the internet, and how often one channel is written to at most.
ASSENT_TELL_PRIVATE = env.names("ASSENT_TELL_PRIVATE")
ASSENT_TELL_EVERY = timedelta(minutes=env.number("ASSENT_TELL_MINUTES", 5, at_least=1))
# An app in Slack, for buttons there; off without both.
SLACK_BOT_TOKEN = env.text("SLACK_BOT_TOKEN")
SLACK_SIGNING_SECRET = env.text("SLACK_SIGNING_SECRET")
SLACK_API_URL = env.text("SLACK_API_URL", "https://slack.com/api/")
ASSENT_ADMINS_SECOND_FACTOR = env.flag("ASSENT_ADMINS_SECOND_FACTOR")  # nobody uses the admin without one
ASSENT_SECOND_PUBLISHER = env.flag("ASSENT_SECOND_PUBLISHER")  # policy takes two: one admin asks, another publishes
# A permit that was used this long ago and of which nobody says what came of it is shown, and alarmed.
ASSENT_CONFIRM_AFTER = timedelta(minutes=env.number("ASSENT_CONFIRM_MINUTES", 10, at_least=1))
# Called once a minute by the clock while no deadline is late; whoever watches it hears of a clock that stopped.
ASSENT_PULSE_URL = env.text("ASSENT_PULSE_URL")
ASSENT_CANARY_URL = env.text("ASSENT_CANARY_URL", ASSENT_BASE_URL)  # "" sends none
ASSENT_ATTACHMENTS = 1024**2 * env.number("ASSENT_ATTACHMENTS_MB", 1000, at_least=10)  # bytes of one agent in a day
# A page's question to the database that takes longer is ended, and the page says so.
ASSENT_PAGE_TIME = timedelta(seconds=env.number("ASSENT_PAGE_SECONDS", 5, at_least=1))
ASSENT_KEY_RATE = env.number("ASSENT_KEY_RATE", 6000, at_least=1)  # requests a minute and key

UNFOLD = {
    "SITE_TITLE": "Assent",
    "SITE_HEADER": "Assent",
    "SITE_SUBHEADER": _("Policy and people"),
    "SITE_URL": "/",
    "SITE_SYMBOL": "verified",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("favicon.svg")}],
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [lambda request: static("css/admin.css")],
    "THEME": "console.admin_menu.theme",
    "COLORS": {
        # Shades of the console's accent: lightness and chroma of each.
        "primary": {
            str(shade): f"oklch({tone} 272)"
            for shade, tone in {
                **{50: "97% .02", 100: "94% .04", 200: "88% .07", 300: "80% .11", 400: "72% .15", 500: "62% .18"},
                **{600: "50% .20", 700: "44% .19", 800: "38% .16", 900: "32% .13", 950: "24% .09"},
            }.items()
        }
    },
    "SIDEBAR": {"navigation": "console.admin_menu.groups"},
    "ENVIRONMENT": None,
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.text("LOG_LEVEL", "INFO")},
    "loggers": {"django.request": {"level": "ERROR"}, "httpx": {"level": "WARNING"}},
}
