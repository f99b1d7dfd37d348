"""Every setting of the product, and the only reader of its environment.

A variable may stand in the environment or in `.env` inside the data directory; the environment wins.
`.env.example` lists them all with their meaning.
"""

import contextlib
import ipaddress
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from hubproject.logs import logging_settings
from hubproject.secret_files import read_or_create_secret

BASE_DIR = Path(__file__).resolve().parent.parent


class _Environment(environ.FileAwareEnv):  # type: ignore[misc] # the package has no types
    """NAME_FILE=/path is read when NAME itself is wanted."""

    def get_value(self, var: str, *args: Any, **options: Any) -> Any:
        with _file_is_readable(var):
            return super().get_value(var, *args, **options)


@contextlib.contextmanager
def _file_is_readable(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError) as problem:
        path, why = os.environ.get(f"{name}_FILE"), getattr(problem, "strerror", None) or "it is no text"
        raise ImproperlyConfigured(f"{name}_FILE is {path}, which cannot be read: {why}.") from None


env = _Environment()
_is_clone = (BASE_DIR / ".git").exists()
# What stands before the name of a command on this machine.
PROGRAM = "manage.py" if _is_clone else "wireguard-hub"
_default_data_dir = BASE_DIR / "data" if _is_clone else Path("/var/lib/wireguard-hub")
HUB_DATA_DIR = Path(env.str("HUB_DATA_DIR", default=str(_default_data_dir))).absolute()
try:
    HUB_DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
except OSError as problem:
    raise ImproperlyConfigured(f"HUB_DATA_DIR is {HUB_DATA_DIR}, which cannot be made: {problem.strerror}.") from None
environ.Env.read_env(HUB_DATA_DIR / ".env")


def _whole_number(name: str, default: int) -> int:
    try:
        return int(env.int(name, default=default))
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {env.str(name)!r}.") from None


def _switch(name: str, *, default: bool) -> bool:
    """On or off. A misspelt word must not count as off: it would quietly leave a protection out."""
    text = env.str(name, default="").strip().lower()
    if text not in {"", *env.BOOLEAN_TRUE_STRINGS, *_OFF}:
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {text!r}.")
    return text in env.BOOLEAN_TRUE_STRINGS if text else default


_OFF = ("0", "false", "off", "no", "n", "f")


def _secret(name: str, *, credential_name: str = "") -> str:
    """From NAME, the file that NAME_FILE names, or the credential `name` that systemd hands to a unit.

    Taken as it stands, for environ would follow a `$` in front to another variable; but no file's last line end.
    """
    credential = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent")) / (credential_name or name.lower())
    with _file_is_readable(name):
        text = str(env.ENVIRON.get(name, "")).rstrip("\r\n")
    return text or (credential.read_text().strip() if credential.is_file() else "")


# --- Where the hub is ---------------------------------------------------------------------------------------------

HUB_BIND = env.str("HUB_BIND", default="127.0.0.1:8000")
HUB_PUBLIC_URL = env.str("HUB_PUBLIC_URL", default="" if HUB_BIND.startswith("unix:") else f"http://{HUB_BIND}").rstrip(
    "/"
)
HUB_ALLOW_PLAIN_HTTP = _switch("HUB_ALLOW_PLAIN_HTTP", default=False)
HUB_TRUSTED_PROXIES = _whole_number("HUB_TRUSTED_PROXIES", 0)
HUB_WORKERS = _whole_number("HUB_WORKERS", 1)
HUB_THREADS = _whole_number("HUB_THREADS", 8)

if not HUB_PUBLIC_URL:
    raise ImproperlyConfigured(
        f"HUB_BIND is {HUB_BIND}, which no machine can be sent to: set HUB_PUBLIC_URL, such as https://hub.example.com."
    )
# Part of every install command: nothing but a scheme, a host and a port can be in it.
_url_parts = re.fullmatch(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?", HUB_PUBLIC_URL, re.ASCII)
if _url_parts is None or not 1 <= int(_url_parts[2] or 443) <= 65535:
    raise ImproperlyConfigured(f"HUB_PUBLIC_URL must look like https://hub.example.com, not {HUB_PUBLIC_URL!r}.")
_public_url = urlsplit(HUB_PUBLIC_URL)
_public_host = _public_url.hostname or ""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


ONLY_THIS_MACHINE_REACHES_US = _is_loopback(_public_host)
if _public_url.scheme == "http" and not ONLY_THIS_MACHINE_REACHES_US and not HUB_ALLOW_PLAIN_HTTP:
    raise ImproperlyConfigured(
        f"HUB_PUBLIC_URL is {HUB_PUBLIC_URL}: install commands would travel unencrypted. "
        "Use https, or set HUB_ALLOW_PLAIN_HTTP=1 for a demonstration."
    )

ALLOWED_HOSTS = [_public_host, "localhost", "127.0.0.1", "[::1]", *env.list("HUB_ALLOWED_HOSTS", default=[])]
CSRF_TRUSTED_ORIGINS = [f"{_public_url.scheme}://{_public_url.netloc}"]

# --- Who started us -----------------------------------------------------------------------------------------------

# Set by systemd: where it wants to be told how a service is, and how often.
SERVICE_MANAGER_SOCKET = os.environ.get("NOTIFY_SOCKET", "")
SERVICE_MANAGER_WATCHDOG_SECONDS = int(os.environ.get("WATCHDOG_USEC", "0")) / 1_000_000

# --- Django -------------------------------------------------------------------------------------------------------

DEBUG = _switch("DEBUG", default=False)
SECRET_KEY = _secret("SECRET_KEY") or read_or_create_secret(HUB_DATA_DIR / "secret_key")

INSTALLED_APPS = [
    "hubproject.apps.HubprojectConfig",
    "wireguard",
    "tokens",
    "proxmox",
    "spokes",
    "hubproject.apps.HubAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "csp",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_prometheus",
]

MIDDLEWARE = [
    "hubproject.each_request.EachRequest",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    # The headers first, so that every answer carries them: errors, refused hosts and static files too.
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "hubproject.middleware.NeverStored",
    "hubproject.middleware.ReadableCookies",
    "hubproject.middleware.BodiesInChunks",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "hubproject.middleware.SignedOutInPlace",
    "hubproject.middleware.SecondFactorFirst",
    "hubproject.each_request.CountedByView",
]

ROOT_URLCONF = "hubproject.urls"
WSGI_APPLICATION = "hubproject.wsgi.application"
APPEND_SLASH = False
CSRF_FAILURE_VIEW = "hubproject.api.csrf_failure"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

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
                "hubproject.context.hub",
            ]
        },
    }
]

STATIC_URL = "/static/"
STATICFILES_DIRS = [("user-guide", BASE_DIR / "deploy" / "user-guide")]
# Collected files belong to the code they were collected from: with a release, where no service can write.
STATIC_ROOT = HUB_DATA_DIR / "static" if _is_clone else BASE_DIR / "static"
with contextlib.suppress(OSError):  # who cannot make it has it made already, or serves without
    STATIC_ROOT.mkdir(parents=True, exist_ok=True)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "hubproject.static_files.HashedOnceCollected"},
}
WHITENOISE_ALLOW_ALL_ORIGINS = False  # no other site has any business with our files
WHITENOISE_USE_FINDERS = True  # one process serves its own files; nothing has to be collected first

# --- Sign-in ------------------------------------------------------------------------------------------------------

HUB_REQUIRE_MFA = _switch("HUB_REQUIRE_MFA", default=False)

AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "admin:index"
ACCOUNT_ADAPTER = "hubproject.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # the hub sends no e-mail and asks for no address
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_REAUTHENTICATION_TIMEOUT = 15 * 60
ACCOUNT_SESSION_REMEMBER = True  # for SESSION_COOKIE_AGE
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": "10/m/ip,5/5m/key",  # the key is the account
    "reauthenticate": "10/m/user",
    "change_password": "5/m/user",
    "setup": "10/m/ip",
    "passkey_challenge": "30/m/ip",
}
MFA_ADAPTER = "hubproject.adapters.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_FORMS = {
    "add_webauthn": "hubproject.passkey_forms.Add",
    "authenticate_webauthn": "hubproject.passkey_forms.SecondFactor",
    "login_webauthn": "hubproject.passkey_forms.SignIn",
    "reauthenticate_webauthn": "hubproject.passkey_forms.Confirm",
}
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

_over_tls = _public_url.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _over_tls
SESSION_COOKIE_AGE = 8 * 3600
SECURE_HSTS_SECONDS = 31_536_000 if _over_tls else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _over_tls
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if HUB_TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        **{kind: ["'self'"] for kind in ("script-src", "style-src", "font-src", "connect-src", "form-action")},
        "img-src": ["'self'", "data:"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # SECURE_SSL_REDIRECT: nginx redirects; on this side a spoke's script would be lost in a redirect
    "security.W021",  # HSTS preload: a promise only the owner of the whole domain can make
]

# --- Database -----------------------------------------------------------------------------------------------------

DATABASE_URL = _secret("DATABASE_URL") or f"sqlite:///{HUB_DATA_DIR / 'database.sqlite'}"
if not DATABASE_URL.startswith(("postgres://", "postgresql://", "sqlite:///")):
    # Without the URL itself, which holds a password.
    raise ImproperlyConfigured("DATABASE_URL must begin with postgres:// or sqlite:///.")
DATABASES = {"default": env.db_url_config(DATABASE_URL)}
_database = DATABASES["default"]
_database["CONN_MAX_AGE"] = None
_database["CONN_HEALTH_CHECKS"] = True
if _database["ENGINE"] == "django.db.backends.sqlite3":
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",  # a writer waits at BEGIN; deferred ones fail half way when two meet
        "timeout": 10,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
else:
    _database.setdefault("OPTIONS", {}).update(
        connect_timeout=5,
        # What a connection asks again and again it has prepared: the server need not parse and plan it each time.
        server_side_binding=True,
        prepare_threshold=5,
    )
# The same engine, with its queries counted for /api/metrics.
_database["ENGINE"] = _database["ENGINE"].replace("django.db.backends", "hubproject.engines")

# --- Cache: the counters behind every rate limit ------------------------------------------------------------------

REDIS_URL = _secret("REDIS_URL")
if REDIS_URL and not REDIS_URL.startswith(("redis://", "rediss://", "unix://")):
    raise ImproperlyConfigured("REDIS_URL must begin with redis://, rediss:// or unix://.")
CACHES: dict[str, dict[str, object]] = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    if REDIS_URL
    else {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        # A full cache forgets at random, counters of guesses included; Django's 300 entries are soon full.
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}

# --- REST ---------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "hubproject.access.ApiKeyAuthentication",  # first, so that a request without credentials is answered 401
        "hubproject.access.DashboardSession",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["hubproject.access.RoleRequired"],
    "DEFAULT_PARSER_CLASSES": ["hubproject.api.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "hubproject.api.JSONAlways",
    "DEFAULT_METADATA_CLASS": None,
    "URL_FORMAT_OVERRIDE": None,
    "EXCEPTION_HANDLER": "hubproject.api.answer_exception",
    "DEFAULT_SCHEMA_CLASS": "hubproject.openapi.CallSchema",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "WireGuard hub",
    "VERSION": "1",
    "DESCRIPTION": (
        "JSON in, JSON out; paths have no trailing slash; times are UTC.\n\n"
        "Whatever is refused is refused in one shape: `error`, `code`, `recoveryHint`, and details where they help. "
        "Fields and parameters that do not exist are refused; null and an empty text for an optional field mean that "
        "it is absent. Bodies may have 64 KiB.\n\n"
        "Send an API key as `Authorization: Bearer wgh_…`, or use the session of the dashboard. A **viewer** reads, an "
        "**operator** also issues, revokes, removes and confirms, an **admin** also configures the hub."
    ),
    "TAGS": [
        {"name": "Hub", "description": "The hub's own interface, and what its agent says of it."},
        {"name": "Installation", "description": "One-time tokens, and the scripts they open."},
        {"name": "Spokes", "description": "Machines: how they join, who is there, how they are cut off."},
        {"name": "Proxmox", "description": "Clusters, as their nodes report them."},
        {"name": "Operations", "description": "Health and documentation."},
    ],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["hubproject.openapi.name_parameters"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
}

# --- The product --------------------------------------------------------------------------------------------------

TOKEN_EXPIRATION_HOURS = _whole_number("TOKEN_EXPIRATION_HOURS", 24)
TOKEN_REGISTRATION_MINUTES = _whole_number("TOKEN_REGISTRATION_MINUTES", 60)
TOKEN_RETENTION_DAYS = _whole_number("TOKEN_RETENTION_DAYS", 30)
RATE_LIMIT_MAX_TOKENS_PER_HOUR = _whole_number("RATE_LIMIT_MAX_TOKENS_PER_HOUR", 10)
HUB_SPOKE_SERVICES = env.str("HUB_SPOKE_SERVICES", default="")
HUB_WIREGUARD_BACKEND = env.str("HUB_WIREGUARD_BACKEND", default="wireguard.backends.WgBackend")
HUB_SEALING_KEY = _secret("HUB_SEALING_KEY")

# --- Backups ------------------------------------------------------------------------------------------------------

_is_installed = Path("/var/lib/wireguard-hub") == HUB_DATA_DIR
HUB_BACKUP_DIR = Path(
    env.str("HUB_BACKUP_DIR", default="/var/backups/wireguard-hub" if _is_installed else str(HUB_DATA_DIR / "backups"))
).absolute()
HUB_BACKUP_KEEP_DAYS = _whole_number("HUB_BACKUP_KEEP_DAYS", 30)
HUB_BACKUP_RECIPIENT = env.str("HUB_BACKUP_RECIPIENT", default="")
HUB_BACKUP_PASSPHRASE = _secret("HUB_BACKUP_PASSPHRASE", credential_name="backup_passphrase")
HUB_BACKUP_COPY_COMMAND = env.str("HUB_BACKUP_COPY_COMMAND", default="")
# What was set, as files: they are part of a backup. The installed one is systemd's EnvironmentFile.
SETTINGS_FILES = [HUB_DATA_DIR / ".env", *([Path("/etc/wireguard-hub/hub.env")] if _is_installed else [])]
# Where an installed hub's secrets lie, from which systemd hands each service its own.
SECRETS_DIR = Path("/etc/wireguard-hub/credentials") if _is_installed else HUB_DATA_DIR / "credentials"

# Three series a spoke in /api/metrics; without them it stays small whatever the size of the fleet.
HUB_METRICS_PER_SPOKE = _switch("HUB_METRICS_PER_SPOKE", default=True)

# --- Logs ---------------------------------------------------------------------------------------------------------

HUB_LOG_LEVEL = env.str("HUB_LOG_LEVEL", default="DEBUG" if DEBUG else "INFO").upper()
if HUB_LOG_LEVEL not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
    raise ImproperlyConfigured(f"HUB_LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR, not {HUB_LOG_LEVEL!r}.")

HUB_LOG_DIR = env.str("HUB_LOG_DIR", default="")
if HUB_LOG_DIR and not os.access(HUB_LOG_DIR, os.W_OK | os.X_OK):
    raise ImproperlyConfigured(f"HUB_LOG_DIR is {HUB_LOG_DIR}, which is no directory that this user can write to.")

LOGGING = logging_settings(
    HUB_LOG_LEVEL,
    is_readable=DEBUG or (sys.stdout.isatty() and sys.stderr.isatty()),
    directory=HUB_LOG_DIR,
)
