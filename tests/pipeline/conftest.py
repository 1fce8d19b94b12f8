"""What the tests of whole runs share."""

from collections.abc import Iterator

import pytest
from preloaded import preloaded


@pytest.fixture(scope="session")
def quick(tmp_path_factory) -> Iterator[dict[str, str]]:
    """The environment of whole runs whose commands need not import anything."""
    with preloaded(tmp_path_factory.mktemp("preloaded")) as environment:
        yield environment
