"""What the tests of whole runs share."""

from collections.abc import Iterator

import pytest
from preloaded import STAND_INS, preloaded


@pytest.fixture(scope="session")
def quick(tmp_path_factory) -> Iterator[dict[str, str]]:
    """The environment of whole runs whose commands need not import anything."""
    with preloaded(tmp_path_factory.mktemp("preloaded")) as environment:
        yield environment


@pytest.fixture
def sketched(quick) -> dict[str, str]:
    """The same for a run whose evaluation matters no more than that it goes through."""
    return quick | {STAND_INS: "1"}
