"""Languages: Simplified Chinese and English, chosen by link, cookie, account or browser.

Message ids are English. Each feature keeps its own catalogue under
`translations/<feature>/`; they are read and merged once, at start: nothing to compile.
"""

import io
from datetime import datetime
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, Response, current_app, g, has_request_context, request
from flask_babel import Babel, Domain, get_locale
from werkzeug.datastructures import LanguageAccept

from platform_booking.web.actor import optional_actor

CHINESE, ENGLISH = "zh_Hans_CN", "en"
LOCALES = (CHINESE, ENGLISH)
COOKIE = "lang"
_SHORT = dict.fromkeys(("zh", "zh-cn", "zh-hans", "zh-hans-cn", "zh_hans_cn"), CHINESE)
_SHORT |= dict.fromkeys(("en", "en-us", "en-gb"), ENGLISH)
_TRANSLATIONS = Path(__file__).parent.parent / "translations"


class MergedDomain(Domain):  # type: ignore[misc]
    """Every feature's catalogue as one."""

    def __init__(self) -> None:
        super().__init__()
        self._chinese = merged()

    def get_translations(self) -> Any:
        """Return the translations of the present request's language."""
        if str(get_locale()).startswith("zh"):
            return self._chinese
        return _ENGLISH


_ENGLISH = NullTranslations()


def merged() -> Translations:
    """Read all catalogues into one."""
    whole = Catalog(locale=CHINESE)
    for path in sorted(_TRANSLATIONS.glob(f"*/{CHINESE}/LC_MESSAGES/messages.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=CHINESE):
                if message.id and message.string and not message.fuzzy:
                    whole.add(message.id, message.string, context=message.context)
    compiled = io.BytesIO()
    write_mo(compiled, whole)
    compiled.seek(0)
    return Translations(compiled)


def chosen_locale() -> str:
    """Return the language of this request; of the park where there is none."""
    if not has_request_context():
        return CHINESE
    asked = _SHORT.get(request.args.get("lang", "").lower())
    if asked:
        g.chosen_language = asked
        return asked
    accepted = _accepted()
    if accepted and request.path.startswith("/api/"):  # a program says so on purpose
        return accepted
    kept = _SHORT.get(request.cookies.get(COOKIE, "").lower())
    if kept:
        return kept
    actor = optional_actor()
    if actor is not None:
        return _SHORT.get(actor.locale.lower(), CHINESE)
    return accepted or CHINESE


def _accepted() -> str | None:
    """Return which of our languages Accept-Language names; `*` names none."""
    named = LanguageAccept([(v, q) for v, q in request.accept_languages if v != "*"])
    best = named.best_match(["zh-CN", "zh", "en", "en-US"])
    return None if best is None else _SHORT[best.lower()]


def init_app(app: Flask) -> None:
    """Speak both languages."""
    babel = Babel()
    babel.domain_instance = MergedDomain()  # in place of the one it would make by name
    babel.init_app(
        app,
        locale_selector=chosen_locale,
        default_locale=CHINESE,
        default_timezone=app.config["SETTINGS"].timezone,
    )
    app.jinja_env.globals.update(
        t=named,
        local_time=local_time,
        local_day=local_day,
        duration=duration,
        in_chinese=in_chinese,
    )
    app.after_request(_remember)


def in_chinese() -> bool:
    """Tell whether this request speaks Chinese."""
    return str(get_locale()).startswith("zh")


def named(thing: Any, field: str = "name") -> str:
    """Return `name_zh` or `name_en` of a thing, by the request's language."""
    first, second = ("zh", "en") if in_chinese() else ("en", "zh")
    return str(
        getattr(thing, f"{field}_{first}", "") or getattr(thing, f"{field}_{second}", "")
    )


def local_time(moment: datetime | None, *, seconds: bool = False) -> str:
    """Return an instant in the park's zone, as 2027-03-08 17:30; "" for None."""
    if moment is None:
        return ""
    local = moment.astimezone(current_app.config["SETTINGS"].zone)
    return local.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def local_day(moment: datetime | None) -> str:
    """Return the park's date of an instant; "" for None."""
    return local_time(moment)[:10]


def duration(minutes: int) -> str:
    """Return minutes as days, hours and minutes: `3 d 4 h`, `3 天 4 小时`."""
    days, rest = divmod(int(minutes), 1440)
    hours, left = divmod(rest, 60)
    units = ("天", "小时", "分钟") if in_chinese() else ("d", "h", "min")
    parts = [f"{n} {u}" for n, u in zip((days, hours, left), units, strict=True) if n]
    return " ".join(parts) or f"0 {units[2]}"


def _remember(response: Response) -> Response:
    if "chosen_language" in g:
        response.set_cookie(
            COOKIE,
            g.chosen_language,
            max_age=365 * 86400,
            samesite="Lax",
            httponly=True,
            secure=current_app.config["SETTINGS"].secure_cookies,
        )
    return response
