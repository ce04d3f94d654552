"""`flask --app wsgi catalog …`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import Result
from flask import Flask

from platform_booking.app import create_app
from platform_booking.catalog.models import CatalogueLoad, Resource
from platform_booking.db import JOB, acting_as, db
from platform_booking.embedded import Urls
from tests.catalog.example import DOC, changed, example_text
from tests.cluster import settings_for

ROOT = DOC.parents[1]


def run(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=["catalog", *words])


@contextmanager
def application(database: Urls, **changed: object) -> Iterator[Flask]:
    """Make the application with other settings than the tests' own."""
    app = create_app(settings_for(database, **changed))
    with app.app_context():
        yield app
        db.session.remove()
        for engine in db.engines.values():
            engine.dispose()


def loaded() -> int:
    with acting_as(JOB):
        return db.session.scalar(sa.select(sa.func.count()).select_from(Resource)) or 0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "park.json"
    path.write_text(example_text(), encoding="utf-8")
    return path


def test_a_sound_file_is_checked_without_writing_anything(app: Flask, file: Path) -> None:
    done = run(app, "check", str(file))
    assert (done.exit_code, done.output) == (0, "4 resources, 1 route: sound\n")
    assert loaded() == 0


def test_a_file_is_loaded_and_what_came_of_it_is_told(app: Flask, file: Path) -> None:
    done = run(app, "load", str(file))
    assert done.exit_code == 0
    assert done.output == (
        "4 resources, 1 route, 1 new dated run; 0 resources out of service\n"
    )
    assert loaded() == 4


@pytest.mark.parametrize("command", ["check", "load"])
def test_every_fault_is_told_on_a_line_of_its_own_and_nothing_is_loaded(
    app: Flask, file: Path, command: str
) -> None:
    file.write_text(changed(("resources[0].capacity", -1), ("travel[0].to", "X")), "utf-8")
    done = run(app, command, str(file))
    assert done.exit_code == 1
    assert done.output.splitlines() == [
        "resources[0].capacity: Must be greater than or equal to 1 and less than or equal to"
        " 10000000.",
        "travel[0].to: 'X' is not among the file's sites; see sites",
        "Error: 2 faults; nothing was loaded",
    ]
    assert loaded() == 0


def test_another_encoding_is_a_fault_and_not_a_mangled_name(app: Flask, file: Path) -> None:
    file.write_bytes(example_text().encode("gb18030"))
    done = run(app, "load", str(file))
    assert done.exit_code == 1
    assert "not UTF-8" in done.output
    assert loaded() == 0


def test_a_change_that_is_refused_is_told_like_a_fault(app: Flask, file: Path) -> None:
    run(app, "load", str(file))
    file.write_text(changed(("materials.classes[1].rank", 7)), "utf-8")
    done = run(app, "load", str(file))
    assert done.exit_code == 1
    assert done.output.startswith(
        "materials.classes[1].rank: GENERAL was loaded with rank 1"
    )


def test_the_demo_catalogue_comes_with_the_service(database: Urls) -> None:
    with application(database, demo=True) as app:
        done = run(app, "load-demo")
        assert done.exit_code == 0
        assert done.output.startswith("196 resources, 28 routes, 93 new dated runs")
        with acting_as(JOB):
            assert db.session.scalars(sa.select(CatalogueLoad.demo)).one() is True


def test_demo_data_are_refused_where_no_page_would_say_that_they_are(app: Flask) -> None:
    done = run(app, "load-demo")
    assert done.exit_code == 1
    assert "PB_DEMO=yes" in done.output
    assert loaded() == 0


def test_without_a_job_address_the_setting_is_named(database: Urls, file: Path) -> None:
    with application(database, job_database_url=None) as app:
        done = run(app, "load", str(file))
    assert (done.exit_code, done.output) == (
        1,
        "Error: JOB_DATABASE_URL is not set; this command acts as pb_job\n",
    )


def test_a_file_that_is_not_there_is_said_so(app: Flask, tmp_path: Path) -> None:
    done = run(app, "load", str(tmp_path / "absent.json"))
    assert done.exit_code == 2
    assert "does not exist" in done.output


def test_the_documents_call_the_command_by_its_name() -> None:
    for name in ("README.md", "CHANGELOG.md", "docs/catalogue-format.md"):
        assert "wsgi catalogue" not in (ROOT / name).read_text(encoding="utf-8"), name


def test_a_file_that_would_retire_most_of_the_park_needs_a_word(
    app: Flask, file: Path, tmp_path: Path
) -> None:
    assert run(app, "load", str(file)).exit_code == 0
    smaller = tmp_path / "smaller.json"
    content = json.loads(example_text())
    content["resources"] = content["resources"][:1]
    content["routes"], content["occurrences"] = [], []
    smaller.write_text(json.dumps(content), encoding="utf-8")

    refused = run(app, "load", str(smaller))

    assert refused.exit_code == 1
    assert "3 resources would go out of service" in refused.output
    assert "--retire" in refused.output
    assert in_service() == 4
    assert run(app, "load", "--retire", str(smaller)).exit_code == 0
    assert in_service() == 1


def in_service() -> int:
    with acting_as(JOB):
        return (
            db.session.scalar(
                sa.select(sa.func.count()).select_from(Resource).where(Resource.active)
            )
            or 0
        )
