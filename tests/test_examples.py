"""The examples of the documentation strings run, and print what they say."""

import doctest
import importlib

import numpy as np
import pytest

import fastdnn

MODULES = ["_fit.progress", "_fit.results", "callbacks", "many", "network", "plots"]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(f"fastdnn.{name}")
    failed, tried = doctest.testmod(module, extraglobs={"np": np, "fastdnn": fastdnn})
    assert tried
    assert not failed
