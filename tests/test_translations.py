"""Every sentence that people read has a Chinese one, with the same placeholders."""

import re
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

PACKAGE = Path(__file__).parent.parent / "platform_booking"
CATALOGUES = sorted(PACKAGE.glob("translations/*/zh_Hans_CN/LC_MESSAGES/messages.po"))
METHODS = [("templates/**.html", "jinja2"), ("**.py", "python")]
KEYWORDS = {
    "_": None,
    "_l": None,
    "gettext": None,
    "lazy_gettext": None,
    "ngettext": (1, 2),
}
PLACEHOLDER = re.compile(r"%\([a-z_]+\)[a-z]|%[a-z]|\{[a-z_]*\}")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
# Written alike in both languages.
ALIKE = {"%(shown)d of %(total)d"}


def said() -> dict[str, str]:
    """Return every sentence of the code and the pages, and where it stands."""
    found: dict[str, str] = {}
    for path, line, message, _comments, _context in extract_from_dir(
        PACKAGE, METHODS, keywords=KEYWORDS, strip_comment_tags=True
    ):
        for text in (message,) if isinstance(message, str) else message:
            found[text] = f"{path}:{line}"
    return found


def written() -> Iterator[tuple[str, Message]]:
    """Yield every sentence of every catalogue, with the feature that it belongs to."""
    for path in CATALOGUES:
        with path.open("rb") as file:
            catalogue: Catalog = read_po(file, locale="zh_Hans_CN", abort_invalid=True)
        for message in catalogue:
            if message.id:
                yield path.parts[-4], message


def translated() -> dict[str, str]:
    found = {}
    for _, message in written():
        ids = message.id if isinstance(message.id, tuple | list) else (message.id,)
        texts = (
            message.string
            if isinstance(message.string, tuple | list)
            else (message.string,)
        )
        for text in ids:
            found[text] = texts[-1]
    return found


def test_every_sentence_has_a_chinese_one() -> None:
    chinese = translated()
    lacking = [
        f"{where}: {text}" for text, where in said().items() if not chinese.get(text)
    ]
    assert "\n".join(sorted(lacking)) == ""


def test_every_sentence_of_a_catalogue_is_said_somewhere() -> None:
    used = said()
    idle = [f"{name}: {m.id}" for name, m in written() if _first(m) not in used]
    assert "\n".join(idle) == ""


def test_placeholders_are_the_same_in_both_languages() -> None:
    wrong = [
        f"{text} / {chinese}"
        for text, chinese in translated().items()
        if sorted(PLACEHOLDER.findall(text)) != sorted(PLACEHOLDER.findall(chinese))
    ]
    assert "\n".join(wrong) == ""


def test_the_chinese_is_chinese() -> None:
    wrong = [
        text
        for text, chinese in translated().items()
        if text not in ALIKE and not CHINESE.search(chinese)
    ]
    assert "\n".join(wrong) == ""


def test_the_chinese_has_chinese_punctuation() -> None:
    half = re.compile(r"[\u4e00-\u9fff][,;:?!]|[,;:?!][\u4e00-\u9fff]")
    wrong = [chinese for chinese in translated().values() if half.search(chinese)]
    assert "\n".join(wrong) == ""


def test_nothing_is_marked_as_a_guess() -> None:
    assert [f"{name}: {m.id}" for name, m in written() if m.fuzzy] == []


def test_one_sentence_has_one_translation() -> None:
    """Catalogues are merged: two that differ would leave it to chance which one wins."""
    seen: dict[str, tuple[str, object]] = {}
    differing = []
    for name, message in written():
        before = seen.setdefault(_first(message), (name, message.string))
        if before[1] != message.string:
            differing.append(f"{before} / {name}: {message.string}")
    assert "\n".join(differing) == ""


def _first(message: Message) -> str:
    return message.id[0] if isinstance(message.id, tuple | list) else str(message.id)
