"""Settings of the portal: one file, read from the environment (`env.py`, `.env.example`)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
import psycopg.conninfo
from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from voting_portal import embedded, env
from voting_portal.common.logs import is_news

django_stubs_ext.monkeypatch()  # Django's classes take type parameters at run time, too

BASE_DIR = embedded.CHECKOUT
IS_PRODUCTION = env.IS_PRODUCTION
DEBUG = False

SECRET_KEY = env.secret(
    "SECRET_KEY", development="" if IS_PRODUCTION else embedded.development_secret()
)
# Secret keys of before: what they signed is still taken while a new one signs.
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS")
# Where the key-encryption keys live; see meetings/keys.py.
KEYSTORE_FILE = env.required(
    "KEYSTORE_FILE", development=str(embedded.DATA / "key-encryption-keys.json")
)
# Where each meeting's wrapping key lives, and where what outlives its personal data is kept.
MEETING_KEYS_DIR = env.required("MEETING_KEYS_DIR", development=str(embedded.DATA / "meeting-keys"))
ARCHIVE_DIR = env.required("ARCHIVE_DIR", development=str(embedded.DATA / "archive"))
# "AES-256-GCM" or "SM4-GCM": what new records are sealed with; both can be read.
SEALING_ALGORITHM = env.optional("SEALING_ALGORITHM", "AES-256-GCM")

# The port of a checkout's own server; its gateway simulator takes the next one.
PORT = env.number("PORT", 8000)
PUBLIC_URL = env.required("PUBLIC_URL", development=f"http://127.0.0.1:{PORT}").rstrip("/")
# Begins the name of every ballot log, so it must not change while a meeting runs.
LOG_NAME = env.optional("LOG_NAME", urlsplit(PUBLIC_URL).hostname or "")
ALLOWED_HOSTS = env.words(
    "ALLOWED_HOSTS", "" if IS_PRODUCTION else "127.0.0.1,localhost,testserver"
)
# Where staff and secretaries work; a host of their own keeps their pages off the holders' one.
STAFF_URL = env.optional("STAFF_URL", PUBLIC_URL).rstrip("/")
CSRF_TRUSTED_ORIGINS = sorted({PUBLIC_URL, STAFF_URL})
# Threads of a web process, of which one never hangs on a carrier or provider (waiting_places.py).
WEB_THREADS = env.number("WEB_THREADS", 4)
# How many proxy servers of ours stand in front; client addresses are read from that hop only.
PROXY_HOPS = env.number("PROXY_HOPS", 1 if IS_PRODUCTION else 0)

if IS_PRODUCTION:
    if not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS:
        raise ImproperlyConfigured("ALLOWED_HOSTS must name the hosts of this installation.")
    for _name, _url in (("PUBLIC_URL", PUBLIC_URL), ("STAFF_URL", STAFF_URL)):
        if not _url.startswith("https://"):
            raise ImproperlyConfigured(f"{_name} must begin with https:// in production.")

INSTALLED_APPS = [
    "voting_portal.admin.PortalAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "csp",
    "voting_portal.apps.PortalConfig",
    "meetings.apps.MeetingsConfig",
    "voting_portal.incidents.apps.IncidentsConfig",
    "identity.apps.IdentityConfig",
    "ballots.apps.BallotsConfig",
    "notifications.apps.NotificationsConfig",
    "retention.apps.RetentionConfig",
]

MIDDLEWARE = [
    "voting_portal.metrics.CountingMiddleware",
    # What sends headers stands outside whatever may answer, so that every answer carries them.
    "voting_portal.common.http.RequestIdMiddleware",
    "voting_portal.common.http.HeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "voting_portal.hosts.HostsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "identity.staff_sessions.StaffSessionMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "voting_portal.replica.ListMiddleware",
]

ROOT_URLCONF = "voting_portal.urls"
WSGI_APPLICATION = "voting_portal.wsgi.application"

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
                "voting_portal.common.http.page_context",
            ],
        },
    }
]

# --- Database: every write goes to this one PostgreSQL -------------------------------------

# Whether DATABASE_URL leads to a pool that lends a connection for one transaction.
_IS_POOLED = env.switch("DATABASE_POOLED", default=False)


def _database(url: str, *, is_pooled: bool) -> dict[str, Any]:
    server = psycopg.conninfo.conninfo_to_dict(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": server.get("dbname", "portal"),
        "USER": server.get("user", ""),
        "PASSWORD": server.get("password", "") or env.optional("DATABASE_PASSWORD"),
        "HOST": server.get("host", ""),
        "PORT": server.get("port", ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": is_pooled,
        "OPTIONS": {
            # A page never waits long for a lock; long work sets its own limits. A pool asks for
            # the same by itself (deploy/pgbouncer/start.sh).
            "options": "-c lock_timeout=5s -c idle_in_transaction_session_timeout=60s",
            "connect_timeout": 5,
            "prepare_threshold": None,  # a prepared statement would stay behind in a pool
            **({"sslmode": server["sslmode"]} if "sslmode" in server else {}),
        },
    }


DATABASES = {
    "default": _database(
        env.required("DATABASE_URL", development=embedded.DATABASE_URL), is_pooled=_IS_POOLED
    )
}
if _replica := env.optional("DATABASE_REPLICA_URL"):
    DATABASES["replica"] = _database(_replica, is_pooled=False)
    DATABASES["replica"]["OPTIONS"]["connect_timeout"] = 1  # the list is read from the other then
DATABASE_ROUTERS = ["voting_portal.replica.ListRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis: a doorbell and a rate counter, never the only place of a fact -------------------

REDIS_URL = env.required("REDIS_URL", development=embedded.REDIS_URL)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
    }
}
# Celery writes a socket's address and the number of its database in its own way.
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://").replace(
    "?db=", "?virtual_host="
)
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # Redis may stay away as long as it likes
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_DEFAULT_QUEUE = "periodic"
CELERY_TASK_ROUTES = {
    "notifications.tasks.send_batch": {"queue": "sending"},
    # A load, a count, a deletion take a while; nothing else waits behind them.
    "voting_portal.tasks.load_registers": {"queue": "registers"},
    "ballots.tasks.count_tallies": {"queue": "registers"},
    "retention.tasks.purge_due": {"queue": "registers"},
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "Asia/Shanghai"
CELERY_BEAT_SCHEDULE = {
    "open and close the polls that are due": {
        "task": "ballots.tasks.move_polls",
        "schedule": timedelta(seconds=5),
    },
    "count tallies that were opened": {
        "task": "ballots.tasks.count_tallies",
        "schedule": timedelta(seconds=2),
        "options": {"expires": 2},  # during a long count they do not pile up
    },
    "load registers that were received": {
        "task": "voting_portal.tasks.load_registers",
        "schedule": timedelta(seconds=2),
        "options": {"expires": 2},  # during a load of minutes they do not pile up
    },
    "ring for batches that wait": {
        "task": "notifications.tasks.ring",
        "schedule": timedelta(seconds=15),
    },
    "note that the timer rings": {
        "task": "voting_portal.tasks.note_the_time",
        "schedule": timedelta(seconds=15),
        "options": {"expires": 15},
    },
    "look for what went wrong": {
        "task": "voting_portal.tasks.look_for_incidents",
        "schedule": timedelta(seconds=30),
        "options": {"expires": 30},
    },
    "go on planning large campaigns": {
        "task": "notifications.tasks.plan",
        "schedule": timedelta(seconds=15),
        "options": {"expires": 15},
    },
    "call back what cancelled campaigns handed over": {
        "task": "notifications.tasks.recall",
        "schedule": timedelta(seconds=15),
        "options": {"expires": 15},
    },
    "apply delivery receipts": {
        "task": "notifications.tasks.apply_receipts",
        "schedule": timedelta(seconds=5),
    },
    "delete personal data whose period is over": {
        "task": "retention.tasks.purge_due",
        "schedule": timedelta(minutes=10),
        "options": {"expires": 600},
    },
    "settle what no receipt has settled": {
        "task": "notifications.tasks.reconcile",
        "schedule": crontab(hour=3, minute=17),
    },
}

# --- Gateways: name -> how to reach a carrier (JSON); see voting_portal/gateways ------------

SIMULATOR_URL = env.optional(
    "SIMULATOR_URL", "" if IS_PRODUCTION else f"http://127.0.0.1:{PORT + 1}"
)
GATEWAYS = env.gateways("GATEWAYS", simulator=SIMULATOR_URL)
if IS_PRODUCTION and (
    SIMULATOR_URL
    or not all(g["url"].startswith(("https://", "tls://", "tcp://")) for g in GATEWAYS.values())
):
    raise ImproperlyConfigured(
        "The gateway simulator and its handset are for development: unset SIMULATOR_URL and name "
        "real carriers, reached over https://, tls:// or tcp://, in GATEWAYS."
    )

# --- People ----------------------------------------------------------------------------------

AUTH_USER_MODEL = "identity.User"
LOGIN_URL = "identity:staff-login"
LOGIN_REDIRECT_URL = "identity:staff-home"
# The second factor of staff and secretaries (identity/second_factor.py).
STAFF_SECOND_FACTOR = env.switch("STAFF_SECOND_FACTOR", default=True)
if IS_PRODUCTION and not STAFF_SECOND_FACTOR:
    raise ImproperlyConfigured("STAFF_SECOND_FACTOR can be off in development only.")
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
SESSION_ENGINE = "django.contrib.sessions.backends.db"
# Idle so long a session of staff is over; identity/staff_sessions.py says how long one lasts.
SESSION_COOKIE_AGE = 15 * 60
SESSION_SAVE_EVERY_REQUEST = True
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
# A browser takes a __Host- cookie only over TLS, so development goes without the prefix.
_COOKIE_PREFIX = "__Host-" if IS_PRODUCTION else ""
SESSION_COOKIE_NAME = f"{_COOKIE_PREFIX}staff"
CSRF_COOKIE_NAME = f"{_COOKIE_PREFIX}csrf"
LANGUAGE_COOKIE_NAME = f"{_COOKIE_PREFIX}language"
TYPE_COOKIE_NAME = f"{_COOKIE_PREFIX}type"  # 大字版
VOTER_COOKIE_PREFIX = f"{_COOKIE_PREFIX}voter-"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = IS_PRODUCTION
CSRF_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "identity.views.start_again"

# How many holders may begin in a second over all servers; the others wait in a queue
# (identity/turns.py). 0: nobody ever waits.
SIGN_INS_A_SECOND = env.number("SIGN_INS_A_SECOND", 0)

# Who else may vouch for holders (JSON); see identity/providers.
IDENTITY_PROVIDERS = env.identity_providers("IDENTITY_PROVIDERS")

# --- Transport and content -------------------------------------------------------------------

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_PRODUCTION else None
SECURE_HSTS_SECONDS = 31_536_000 if IS_PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_PRODUCTION
# Not "no-referrer": with it browsers send `Origin: null` even to ourselves, which the check against
# forged forms refuses. The page of a personal link, whose address is secret, says no-referrer.
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [NONE],
        "connect-src": [SELF],
        # A form that leads on to a provider is judged by where it ends, too.
        "form-action": [SELF, *env.origins(IDENTITY_PROVIDERS)],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "object-src": [NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5_000
# Files of votes and lists name people, and a temporary file outlives a server that is killed. So
# all are held in memory, up to what nginx lets through; a register comes in sealed parts.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
FILE_UPLOAD_MAX_MEMORY_SIZE = 30 << 20

# --- Language and time -----------------------------------------------------------------------

# Sentences stand in the code in Chinese; locale/en holds the English ones.
LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("简体中文")), ("en", _("英文"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "Asia/Shanghai"
USE_THOUSAND_SEPARATOR = False

# --- Static files ----------------------------------------------------------------------------

STATIC_URL = "/static/"
# Filled by collectstatic for production; in development files are served from where they lie.
STATIC_ROOT = BASE_DIR / "staticfiles" if IS_PRODUCTION else None
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if IS_PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not IS_PRODUCTION

# --- What the pages say ----------------------------------------------------------------------

HOTLINE = env.optional("HOTLINE", "400-888-8400")
SMS_SIGNATURE = env.optional("SMS_SIGNATURE", "上证信息")

# --- Monitoring: who shows this token reads /metrics; without one it does not exist ------------

METRICS_TOKEN = env.optional("METRICS_TOKEN")
if IS_PRODUCTION and METRICS_TOKEN:
    env.secret("METRICS_TOKEN", development="")

# Where spans go (OTLP over HTTP), and of how many requests and tasks in a hundred.
TRACES_URL = env.optional("TRACES_URL")
TRACES_PERCENT = env.number("TRACES_PERCENT", 5)
if TRACES_URL:
    MIDDLEWARE.insert(0, "voting_portal.tracing.TracingMiddleware")

# --- Logs: one JSON object a line, without links and personal data ---------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "voting_portal.common.logs.JsonFormatter"}},
    "filters": {"news": {"()": "django.utils.log.CallbackFilter", "callback": is_news}},
    "loggers": {
        "django.request": {"filters": ["news"]},
        # Written whatever LOG_LEVEL says (common/security_notes.py, common/logs.py).
        "security": {"level": "INFO"},
        "process": {"level": "INFO"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": env.optional("LOG_LEVEL", "WARNING")},
}

SILENCED_SYSTEM_CHECKS = ["security.W008"]  # SECURE_SSL_REDIRECT: nginx redirects
