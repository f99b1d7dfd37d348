"""Every setting of the product, and the only reader of its environment.

A variable may stand in the environment or in `.env` inside the data directory; the environment wins.
`.env.example` lists them all with their meaning.
"""

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from hubproject.secret_files import read_or_create_secret

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.FileAwareEnv()  # NAME_FILE=/path is read when NAME itself is wanted


def _default_data_dir() -> Path:
    is_clone = (BASE_DIR / ".git").exists()
    return BASE_DIR / "data" if is_clone else Path("/var/lib/wireguard-hub")


HUB_DATA_DIR = env.path("HUB_DATA_DIR", default=str(_default_data_dir()))
HUB_DATA_DIR = Path(str(HUB_DATA_DIR))
environ.Env.read_env(HUB_DATA_DIR / ".env")

# --- Where the hub is ---------------------------------------------------------------------------------------------

HUB_BIND = env.str("HUB_BIND", default="127.0.0.1:8000")
HUB_PUBLIC_URL = env.str("HUB_PUBLIC_URL", default=f"http://{HUB_BIND}").rstrip("/")
HUB_ALLOW_PLAIN_HTTP = env.bool("HUB_ALLOW_PLAIN_HTTP", default=False)
HUB_TRUSTED_PROXIES = env.int("HUB_TRUSTED_PROXIES", default=0)
HUB_WORKERS = env.int("HUB_WORKERS", default=1)
HUB_THREADS = env.int("HUB_THREADS", default=8)

_public_url = urlsplit(HUB_PUBLIC_URL)
_public_host = _public_url.hostname or ""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


if _public_url.scheme not in {"http", "https"} or not _public_host or _public_url.path or _public_url.query:
    raise ImproperlyConfigured(f"HUB_PUBLIC_URL must look like https://hub.example.com, not {HUB_PUBLIC_URL!r}.")
if _public_url.scheme == "http" and not _is_loopback(_public_host) and not HUB_ALLOW_PLAIN_HTTP:
    raise ImproperlyConfigured(
        f"HUB_PUBLIC_URL is {HUB_PUBLIC_URL}: install commands would travel unencrypted. "
        "Use https, or set HUB_ALLOW_PLAIN_HTTP=1 for a demonstration."
    )

ALLOWED_HOSTS = [_public_host, "localhost", "127.0.0.1", "[::1]", *env.list("HUB_ALLOWED_HOSTS", default=[])]
CSRF_TRUSTED_ORIGINS = [f"{_public_url.scheme}://{_public_url.netloc}"]

# --- Django -------------------------------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or read_or_create_secret(HUB_DATA_DIR / "secret_key")

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
    "rest_framework",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
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
            ]
        },
    }
]

STATIC_URL = "/static/"
STATIC_ROOT = HUB_DATA_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
WHITENOISE_USE_FINDERS = True  # one process serves its own files; nothing has to be collected first

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

# --- Database -----------------------------------------------------------------------------------------------------

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{HUB_DATA_DIR / 'database.sqlite'}")}
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
    _database.setdefault("OPTIONS", {})["connect_timeout"] = 5

# --- REST ---------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "hubproject.access.ApiKeyAuthentication",  # first, so that a request without credentials is answered 401
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["hubproject.access.RoleRequired"],
    "DEFAULT_PARSER_CLASSES": ["hubproject.api.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "hubproject.api.JSONAlways",
    "DEFAULT_METADATA_CLASS": None,
    "URL_FORMAT_OVERRIDE": None,
    "EXCEPTION_HANDLER": "hubproject.api.answer_exception",
}

# --- The product --------------------------------------------------------------------------------------------------

TOKEN_EXPIRATION_HOURS = env.int("TOKEN_EXPIRATION_HOURS", default=24)
TOKEN_REGISTRATION_MINUTES = env.int("TOKEN_REGISTRATION_MINUTES", default=60)
TOKEN_RETENTION_DAYS = env.int("TOKEN_RETENTION_DAYS", default=30)
HUB_WIREGUARD_BACKEND = env.str("HUB_WIREGUARD_BACKEND", default="wireguard.backends.WgBackend")
HUB_SEALING_KEY = env.str("HUB_SEALING_KEY", default="")

# --- Logs ---------------------------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {
            "()": "hubproject.logs.MaskingFormatter",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": env.str("HUB_LOG_LEVEL", default="INFO").upper()},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        # A refused request is an answer, not an event; its path may hold a token.
        "django.request": {"level": "ERROR"},
        "django.server": {"handlers": [], "propagate": True},
    },
}
