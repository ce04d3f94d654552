"""Instance files that are rows of whole numbers: read with the place of every number."""

from dataclasses import dataclass, field
from pathlib import Path

from solver.errors import BadFile
from solver.makespan.problem import MOST

_LARGEST_FILE = 32 << 20  # bytes


@dataclass(slots=True)
class Numbers:
    """The numbers of a file, taken one after another.

    Every method raises `BadFile` with the line where something is wrong.
    """

    rows: list[tuple[int, list[int]]]  # number of the line, its numbers; none is empty
    _row: int = 0
    _column: int = 0
    last: int = field(default=1)  # line of the number that was taken last

    def take(self, what: str, *, least: int = -MOST, most: int = MOST) -> int:
        """Return the next number; `what` says what it should be."""
        while self._row < len(self.rows) and self._column >= len(self.rows[self._row][1]):
            self._row, self._column = self._row + 1, 0
        if self._row >= len(self.rows):
            raise BadFile([f"line {self.last}: the file ends where {what} should stand"])
        self.last, row = self.rows[self._row]
        value = row[self._column]
        self._column += 1
        if not least <= value <= most:
            raise BadFile(
                [f"line {self.last}: {what} is {value}, not from {least} to {most}"]
            )
        return value

    def rest_of_line(self) -> list[int]:
        """Return what is left of the line of the last number."""
        row = self.rows[self._row][1] if self._row < len(self.rows) else []
        found, self._column = row[self._column :], len(row)
        return found

    def end(self) -> None:
        """Insist that nothing follows."""
        while self._row < len(self.rows) and self._column >= len(self.rows[self._row][1]):
            self._row, self._column = self._row + 1, 0
        if self._row < len(self.rows):
            line, row = self.rows[self._row]
            raise BadFile(
                [f"line {line}: {row[self._column]} stands after the end of the problem"]
            )


def text_of(path: Path) -> str:
    """Return a file's text.

    Raises
    ------
    BadFile
        If it cannot be read, is no text or too large.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as fault:
        raise BadFile([f"{path}: cannot be read: {fault.strerror}"]) from None
    if len(content) > _LARGEST_FILE:
        raise BadFile([f"{path}: is larger than {_LARGEST_FILE} bytes"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadFile([f"{path}: is no text"]) from None


def numbers_of(text: str, *, fractions: bool = False) -> Numbers:
    """Return the numbers of a text.

    With `fractions` a number such as `1.15` may stand in the first line, where some files
    tell an average; it is cut.
    """
    rows: list[tuple[int, list[int]]] = []
    for line, row in enumerate(text.splitlines(), start=1):
        words = row.split()
        if words:
            rows.append(
                (line, [_whole(w, line, fraction=fractions and not rows) for w in words])
            )
    return Numbers(rows)


def _whole(word: str, line: int, *, fraction: bool) -> int:
    digits = word.removeprefix("-")
    if fraction:
        digits = digits.partition(".")[0]
    if not (digits.isascii() and digits.isdecimal()):
        raise BadFile([f"line {line}: {word[:40]!r} is not a whole number"])
    if len(digits) > 15:
        raise BadFile([f"line {line}: {word[:40]} is too large a number"])
    return -int(digits) if word.startswith("-") else int(digits)
