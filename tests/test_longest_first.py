"""Files that take long are begun first, and the list of them names files that exist."""

from tests.longest_first import SECONDS, places
from tests.service import ROOT


def test_the_list_names_files_that_exist() -> None:
    assert [file for file in SECONDS if not (ROOT / file).is_file()] == []


def test_a_long_file_comes_before_many_quick_tests_and_keeps_its_own_order() -> None:
    long = max(SECONDS, key=lambda file: SECONDS[file])
    found = ["few.py::b", "many.py::b", "many.py::a", f"{long}::b", f"{long}::a"]
    assert sorted(found, key=places(found)) == [
        f"{long}::b", f"{long}::a", "many.py::b", "many.py::a", "few.py::b",
    ]  # fmt: skip
