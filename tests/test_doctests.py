"""Every example in a docstring is run."""

import doctest
import importlib
import pkgutil

import pytest

import ocsf_ssl_lib

MODULES = ["ocsf_ssl_lib", *(m.name for m in pkgutil.walk_packages(ocsf_ssl_lib.__path__, "ocsf_ssl_lib."))]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_give_what_they_show(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def test_there_are_examples_to_run() -> None:
    finder = doctest.DocTestFinder()
    found = [t for name in MODULES for t in finder.find(importlib.import_module(name)) if t.examples]
    assert len(found) >= 7


def test_every_public_name_exists_and_is_documented() -> None:
    for name in ocsf_ssl_lib.__all__:
        assert getattr(ocsf_ssl_lib, name).__doc__, name
