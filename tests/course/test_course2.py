"""The face of the second course."""

import inspect

import fastdnn
from fastdnn import course2


def test_a_notebook_s_import():
    names = {}
    exec("from fastdnn.course2 import *", names)
    assert set(course2.__all__) <= set(names)
    assert course2.__all__ == sorted(course2.__all__)


def test_every_name_is_described():
    for name in course2.__all__:
        assert f"`{name}`" in course2.__doc__, name
        assert inspect.getdoc(getattr(course2, name))


def test_what_is_public_at_the_top_is_the_same():
    for name in set(course2.__all__) & set(fastdnn.__all__) - {"compute_cost", "predict"}:
        assert getattr(course2, name) is getattr(fastdnn, name)
