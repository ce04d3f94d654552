"""Settings: one frozen object, read once from the environment, refused when wrong."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from platform_booking.errors import Misconfigured

_SECRET_BYTES = 32
_BASE_URL = "http://127.0.0.1:8000"
_THIS_MACHINE = ("127.0.0.1", "localhost", "[::1]")
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that an installation may choose. Times of day are in `timezone`."""

    database_url: str  # pb_web: people's requests, under row-level security
    secret_key: str  # signs sessions; at least 32 bytes
    owner_database_url: str | None = None  # pb_owner: migrations only
    job_database_url: str | None = None  # pb_job: scheduler and command line
    timezone: str = "Asia/Shanghai"  # of the park
    base_url: str = _BASE_URL  # links in mails start with it
    trusted_hosts: tuple[str, ...] = ()  # host names beside base_url's that are served
    proxies: int = 0  # reverse proxies in front, whose X-Forwarded headers are believed
    secure_cookies: bool = True  # cookies only over https
    demo: bool = False  # demo data: banner on every page, sign-in links allowed
    night_at: str = "01:00"  # when the nightly allocation starts
    night_seconds: int = 600  # how long it may search
    night_workers: int = 2  # processes that search side by side
    fairness: int = 100  # of shares, hundredths: 0 none, 100 Nash, more towards max-min
    lease_seconds: int = 120  # a runner that is silent for so long is taken over
    log_level: str = "INFO"
    mail_server: str | None = None  # SMTP; None: nothing is mailed
    mail_port: int = 587
    mail_sender: str | None = None  # address that mails come from
    mail_tls: str = "starttls"  # or "tls" from the start, or "no"
    mail_user: str | None = None
    mail_password: str | None = None

    @property
    def zone(self) -> ZoneInfo:
        """Return the park's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def hosts(self) -> list[str]:
        """Return every host name that a request may carry: a forged one is refused."""
        own = urlsplit(self.base_url).hostname or ""
        return list(dict.fromkeys((*self.trusted_hosts, own, *_THIS_MACHINE)))


_MOST_FAIRNESS = 1000  # beyond it the shares' steps are all or nothing
_LEAST = {"proxies": 0, "fairness": 0}
_PLAIN = {"database_url", "secret_key", "owner_database_url", "job_database_url"}


def variable(setting: str) -> str:
    """Return the environment variable that carries a setting."""
    return setting.upper() if setting in _PLAIN else f"PB_{setting.upper()}"


def read(environ: Mapping[str, str]) -> Settings:
    """Read the settings.

    Raises
    ------
    Misconfigured
        If any setting is missing or wrong; all of them are named.
    """
    faults: list[str] = []
    values: dict[str, object] = {}
    for field in fields(Settings):
        name = variable(field.name)
        text = environ.get(name)
        if text is None:
            if field.name in {"database_url", "secret_key"}:
                faults.append(f"{name} is not set")
            continue
        try:
            values[field.name] = _parsed(text, field.type, least=_LEAST.get(field.name, 1))
        except ValueError as fault:
            faults.append(f"{name}: {fault}")
    faults += _contradictions(values)
    if faults:
        raise Misconfigured("; ".join(faults))
    return Settings(**values)  # type: ignore[arg-type]


def _parsed(text: str, kind: object, *, least: int) -> object:
    if kind is bool:
        if text.lower() in _TRUE:
            return True
        if text.lower() in _FALSE:
            return False
        raise ValueError(f"{text!r} is neither yes nor no")
    if kind is int:
        if not text.isdecimal() or int(text) < least:
            raise ValueError(f"{text!r} is not a whole number from {least} on")
        return int(text)
    if kind == tuple[str, ...]:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def _contradictions(values: Mapping[str, object]) -> list[str]:
    faults = []
    secret = values.get("secret_key")
    if isinstance(secret, str) and len(secret.encode()) < _SECRET_BYTES:
        faults.append(
            "SECRET_KEY is shorter than 32 bytes; make one with: "
            'python -c "import secrets; print(secrets.token_urlsafe(48))"'
        )
    zone = values.get("timezone")
    if zone is not None and zone not in available_timezones():
        faults.append(f"PB_TIMEZONE: {zone!r} is not a time zone, such as Asia/Shanghai")
    if not _is_address(str(values.get("base_url", _BASE_URL))):
        faults.append("PB_BASE_URL must be an address, such as https://booking.example.cn")
    for key in ("database_url", "owner_database_url", "job_database_url"):
        url = values.get(key)
        if url is not None and not str(url).startswith(
            ("postgresql://", "postgresql+psycopg://")
        ):
            faults.append(
                f"{variable(key)} must start with postgresql:// (nothing else works)"
            )
    if int(str(values.get("fairness", 0))) > _MOST_FAIRNESS:
        faults.append(f"PB_FAIRNESS is at most {_MOST_FAIRNESS} hundredths")
    faults += _mail_faults(values)
    clock = str(values.get("night_at", "01:00"))
    hour, _, minute = clock.partition(":")
    if not (
        hour.isdecimal() and minute.isdecimal() and int(hour) < 24 and int(minute) < 60
    ):
        faults.append(f"PB_NIGHT_AT: {clock!r} is not a time of day, such as 01:00")
    return faults


def _mail_faults(values: Mapping[str, object]) -> Iterator[str]:
    tls = values.get("mail_tls", "starttls")
    if tls not in {"starttls", "tls", "no"}:
        yield f"PB_MAIL_TLS: {tls!r} is none of starttls, tls and no"
    if not values.get("mail_server"):
        return
    if not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", str(values.get("mail_sender") or "")):
        yield "PB_MAIL_SENDER must be an address, such as booking@park.example"
    if values.get("mail_user") and tls == "no":
        yield "PB_MAIL_TLS is no: PB_MAIL_USER's password would be sent in clear"


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    plain = not (parts.path.strip("/") or parts.query or parts.fragment)
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and plain
