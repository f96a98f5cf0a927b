"""What the tests of the report share."""

import pytest
from report_folder import Folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty results folder to fill by hand."""
    return Folder(tmp_path, monkeypatch)
