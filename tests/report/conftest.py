import pytest
from a_run import fill


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path / "results")
