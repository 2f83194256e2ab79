import os
import sys

import pytest

from fashionjax import huge_pages
from fashionjax.huge_pages import restart_with_huge_pages


@pytest.fixture
def started(monkeypatch, tmp_path):
    """Calls of execve, on a system that gives large pages on request."""
    calls = []
    mode = tmp_path / "enabled"
    mode.write_text("always [madvise] never\n")
    monkeypatch.setattr(huge_pages, "_MODE", mode)
    monkeypatch.setattr(os, "confstr", lambda _: "glibc 2.36")
    monkeypatch.setattr(os, "execve", lambda *arguments: calls.append(arguments))
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    return calls


def test_the_same_command_starts_again_and_asks_for_large_pages(started):
    restart_with_huge_pages()
    ((program, arguments, environment),) = started
    assert program == sys.executable
    assert arguments == [sys.executable, *sys.orig_argv[1:]]
    assert environment == os.environ | {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def test_it_starts_again_only_once(started, monkeypatch):
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
    restart_with_huge_pages()
    assert not started


@pytest.mark.parametrize("mode", ["[always] madvise never", "always madvise [never]"])
def test_pages_that_need_no_request_are_not_requested(started, mode):
    huge_pages._MODE.write_text(mode)
    restart_with_huge_pages()
    assert not started


@pytest.mark.parametrize("library", ["glibc 2.31", "", None])
def test_libraries_that_cannot_are_left_alone(started, monkeypatch, library):
    monkeypatch.setattr(os, "confstr", lambda _: library)
    restart_with_huge_pages()
    assert not started


def test_other_systems_are_left_alone(started, monkeypatch, tmp_path):
    monkeypatch.setattr(huge_pages, "_MODE", tmp_path / "none")
    restart_with_huge_pages()
    assert not started
