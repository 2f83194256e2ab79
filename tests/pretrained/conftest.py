import pytest

from fashionjax.pretrained.references import REFERENCES
from tests.pretrained import tiny


@pytest.fixture
def only_tiny(monkeypatch):
    """For a test, the only reference is the tiny one."""
    for name in list(REFERENCES):
        monkeypatch.delitem(REFERENCES, name)
    monkeypatch.setitem(REFERENCES, tiny.NAME, tiny.reference())
