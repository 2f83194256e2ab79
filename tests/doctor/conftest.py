from tests.data.conftest import write_ccp

__all__ = ["write_ccp"]
