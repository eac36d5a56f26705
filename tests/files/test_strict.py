"""A file that is no whole and consistent model is a ModelFileError that names what and where."""

import io
import json
import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stores import stored

import fastdnn
from fastdnn import ModelFileError, Network, load, save

SIZE = {"F32": 4, "F64": 8}


NET = Network([2, 3, 1], rng=0)
FILE = stored(NET)
LENGTH = int.from_bytes(FILE[:8], "little")
HEADER = json.loads(FILE[8 : 8 + LENGTH])
DATA = FILE[8 + LENGTH :]
DOCUMENT = json.loads(HEADER["__metadata__"]["fastdnn"])
TRAINED = Network([2, 3, 1], rng=0)
TRAINED.fit(np.ones((3, 2)), np.ones((3, 1)), epochs=2)


def framed(header, data=DATA):
    raw = header if isinstance(header, bytes) else header.encode()
    return len(raw).to_bytes(8, "little") + raw + data


def refused(file, **options):
    with pytest.raises(ModelFileError) as raised:
        load(io.BytesIO(file), **options)
    return str(raised.value)


def with_header(**changed):
    header = {name: dict(entry) for name, entry in HEADER.items()}
    for name, entry in changed.items():
        header[name] = header.get(name, {}) | entry if isinstance(entry, dict) else entry
    return framed(json.dumps(header))


def with_document(document):
    text = document if isinstance(document, str) else json.dumps(document)
    return framed(json.dumps(HEADER | {"__metadata__": {"fastdnn": text}}))


def changed(path, value, document=DOCUMENT):
    """Put a value in the place of another; `...` takes it out."""
    document = json.loads(json.dumps(document))
    *above, last = path
    at = document
    for name in above:
        at = at[name]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return document


def test_the_file_that_the_tests_change():
    for file in (FILE, with_header(), with_document(DOCUMENT)):
        assert repr(load(io.BytesIO(file))) == repr(NET)


# -------------------------------------------------------------------------------- bytes and header


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (b"", "it is empty"),
        (FILE[:5], "too soon, within the length of the header"),
        (FILE[:100], "too soon, within the header"),
        (FILE[:-1], "it ends 1 bytes too soon, within the data"),
        (FILE + b"\0", "more after the data, which ends at byte"),
        (b"\0" * 64, "give 0 as the length of a header"),
        (b"PK\x03\x04" + bytes(60), "no safetensors file"),
        ((2**60).to_bytes(8, "little") + b"{}", "1152921504606846976"),
        ((2**20 + 1).to_bytes(8, "little") + b"{" * 2**21, "from 2 to 1048576"),
        (framed("  {}"), "must begin with {"),
        (framed("[]"), "must begin with {"),
        (framed(b'{"\xff": 1}'), "no UTF-8 at byte 10"),
        (framed('{"W1": }'), "no JSON"),
        (framed("{} {}"), "no JSON"),
        (framed("{}", b""), "has no document of fastdnn"),
        (framed('{"a": NaN}'), "NaN"),
        (framed('{"a": -Infinity}'), "-Infinity"),
        (framed('{"a": 1.0}'), "1.0"),
        (framed('{"a": -1}'), "-1, which is no size"),
        (framed('{"a": -0}'), "-0"),
        (framed('{"a": ' + "9" * 5000 + "}"), "no size"),
        (framed('{"a": {}, "a": {}}'), "a stands twice"),
        (framed('{"a": {"dtype": 1, "dtype": 1}}'), "dtype stands twice"),
        (framed('{"\\ud800": {}}'), "surrogates"),
        (framed('{"a": "\x01"}'), "no JSON"),
        (framed('{"a":' + "[" * 1000), "nested over 64 deep"),
        (framed('{"a":' + "[" * 100000), "no table of arrays at byte 12"),
        (framed('{"a": [' + "[],\n" * 9000 + "[]]}"), "no table of arrays at byte 12"),
        (framed('{"a": {"shape": [' + "1," * 9000 + "1]}}"), "no table of arrays"),
        (framed("{" + '"a":1,' * 9000 + '"a":1}'), "no table of arrays at byte 12"),
        (framed('{"a\\"{": ' + '"' + "[\\\\" * 9000 + '"'), "no table of arrays at byte 15"),
        (framed("{" + '"a":{},' * 9000 + '"a":{}}'), "over 2048 arrays"),
        (framed('{"a":' * 80 + "1" + "}" * 80), "nested over 64 deep"),
        (framed('{"\\\\":' * 80 + "1" + "}" * 80), "nested over 64 deep"),
        (framed('{"__metadata__": []}'), "__metadata__ must be an object"),
        (framed('{"__metadata__": {"a": 1}}'), "a is none"),
        (framed('{"W1": 3}'), "W1 must have a dtype"),
        (framed('{"W1": {"dtype": "F64"}}'), "W1 must have a dtype"),
    ],
)  # fmt: skip
def test_bytes_that_are_no_file(file, words):
    assert words in refused(file)


def test_depth_within_texts_is_none():
    net = framed(json.dumps({"W1": 0, "__metadata__": {"note": '[{\\"' * 200}}))
    assert "W1 must have a dtype" in refused(net)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"W1": {"dtype": "F16"}}, "dtype must be F32 or F64, got 'F16'"),
        ({"W1": {"dtype": 1}}, "dtype must be F32 or F64"),
        ({"W1": {"dtype": "F32"}}, "W1: its data_offsets are [0, 48]"),
        ({"W1": {"shape": [2]}}, "W1: its data_offsets"),
        ({"W1": {"shape": [3, 2]}}, "W1 has shape (3, 2), but must have (2, 3)"),
        ({"W1": {"shape": [True, 6]}}, "W1: its shape must be a list of whole numbers"),
        ({"W1": {"shape": "23"}}, "W1: its shape must be a list"),
        ({"W1": {"shape": [6, 1, 1]}}, "no array here has"),
        ({"W1": {"shape": [2**31, 0]}}, "no array here has"),
        ({"W1": {"shape": [2**30, 2**30]}}, "W1: its data_offsets"),
        ({"W1": {"data_offsets": [0, 48, 48]}}, "W1: its data_offsets"),
        ({"W1": {"data_offsets": [48, 0]}}, "W1: its data_offsets"),
        ({"W1": {"data_offsets": None}}, "W1: its data_offsets must be a list"),
        ({"W1": {"data_offsets": [8, 56]}}, "a hole"),
        ({"b1": {"data_offsets": [40, 64]}}, "overlaps"),
        ({"b2": {"data_offsets": [104, 112]}}, "a hole"),
        ({"b2": {"data_offsets": [2**50, 2**50 + 8]}}, "a hole"),
        ({"more": {"dtype": "F64", "shape": [0], "data_offsets": [104, 104]}},
         "the array more belongs to nothing"),
        ({"W1": {"also": 1}}, "and no more"),
        ({"__metadata__": {"other": "text"}}, None),
    ],
)  # fmt: skip
def test_tables_that_do_not_fit(change, words):
    if words is None:  # other programs may add texts
        assert repr(load(io.BytesIO(with_header(**change)))) == repr(NET)
    else:
        assert words in refused(with_header(**change))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_that_are_not_finite(value, dtype):
    net = Network([2, 3, 1], rng=0, dtype=dtype)
    net.parameters["W2"][0, 1] = value
    file = stored(net, allow_nonfinite=True)
    assert f"W2 holds {value} at element 1" in refused(file)
    load(io.BytesIO(file), allow_nonfinite=True)


# ---------------------------------------------------------------------------------- the document

WHERE = [("version",), ("kind",), ("network",), ("epochs",), ("network", "dtype"),
         ("network", "layer_dims"), ("network", "activations"), ("network", "output"),
         ("network", "cost"), ("network", "cost_parameter")]  # fmt: skip
VALUES = [..., None, True, 2, -1, 2**62, 1.5, 1e308, "", "relu", [], [2, 3], [2, 3, 1, 1], ["relu"],
          [[2, 3, 1]], [True, 3, 1], [2.0, 3, 1], [2, 3, 0], [2**31, 3, 1], {}, {"a": 1},
          {"number": "nan"}]  # fmt: skip


@pytest.mark.parametrize("path", WHERE, ids=".".join)
def test_documents_of_other_values(path):
    for value in VALUES:
        document = changed(path, value)
        if document == DOCUMENT or (path == ("epochs",) and value == 2 and value is not True):
            continue
        if path[-1] == "cost_parameter" and value in (2, 1.5, 1e308, 2**62):
            continue  # the greatest cost of an example
        said = refused(with_document(document))
        names = (path[-1], "must be an object", "there is no array", "activations must be")
        assert any(name in said for name in names)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the document is no JSON"),
        ("3", "must be an object"),
        ('{"version": 1, "version": 1}', "version stands twice"),
        # in a time that does not grow with the square of their number
        ("{" + "".join(f'"{i}":0,' for i in range(60_000)) + '"59999":0}', "59999 stands twice"),
        ('{"version": NaN}', "NaN"),
        ('{"version": ' + "9" * 5000 + "}", "no JSON"),
        ('{"version": 7}', "version 7, but this fastdnn reads 1"),
        ('{"version": 1, "kind": "pickle"}', "kind must be one of"),
        ('{"version": 1, "kind": "os.system"}', "kind must be one of"),
        ("[" * 99999, "nested over 64 deep"),
        ("[" + "{}," * 5000 + "{}]", "over 4096 '{'"),
        ("[" + "1," * 140000 + "1]", "over 131072 ','"),
        ('{"a": "\\ud834"}', "surrogates"),
        (json.dumps(DOCUMENT | {"more": 1}), "unknown entry more"),
        (json.dumps(DOCUMENT | {"kind": "parameters"}), "b1 has shape (3,)"),
    ],
)  # fmt: skip
def test_documents_that_are_none(text, words):
    assert words in refused(with_document(text))


def test_a_document_for_more_layers_than_there_are_arrays():
    dims = changed(("network", "layer_dims"), [1] * 200000)
    dims["network"]["activations"] = ["relu"] * 199998
    header = json.dumps({"__metadata__": {"fastdnn": json.dumps(dims)}})
    assert "header" in refused(framed(header)) or "no array" in refused(framed(header))


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("rule",), "none2", "rule must be one of"),
        (("rule",), "sgd", "belongs to nothing"),
        (("rule",), [], "rule must be"),
        (("steps",), 2**62, "steps"),
        (("optimizer", "name"), "Optimizer", "name must be one of"),
        (("optimizer", "beta1"), 1, "beta1 must be"),
        (("optimizer", "beta1"), None, "beta1 must be a number"),
        (("optimizer", "learning_rate"), {"name": "eval"}, "name must be one of"),
        (("optimizer", "learning_rate"), {"number": "nan"}, "learning_rate must be"),
        (("optimizer", "learning_rate"),
         {"name": "StepDecay", "learning_rate": {"name": "Cosine"}, "every": 1, "factor": 1},
         "learning_rate must be a number"),
        (("optimizer", "more"), 1, "unknown entry more"),
        (("generator", "name"), "BitGenerator", "name must be one of"),
        (("generator", "state", "inc"), 2, "inc must be odd"),
        (("generator", "state", "state"), 2**128, "state must be a whole number"),
        (("generator", "state", "state"), "1", "state must be a whole number"),
        (("generator", "has_uint32"), 2, "has_uint32"),
        (("generator", "more"), 2, "unknown entry"),
    ],
)  # fmt: skip
def test_trainings_that_are_none(path, value, words):
    file = stored(TRAINED, training_state=True)
    length = int.from_bytes(file[:8], "little")
    header = json.loads(file[8 : 8 + length])
    document = json.loads(header["__metadata__"]["fastdnn"])
    header["__metadata__"]["fastdnn"] = json.dumps(changed(("training", *path), value, document))
    assert words in refused(framed(json.dumps(header), file[8 + length :]))


@pytest.mark.parametrize(
    ("bits", "path", "value", "words"),
    [
        ("MT19937", ("state", "pos"), 625, "pos must be"),
        ("MT19937", ("state", "pos"), -1, "pos must be"),
        ("MT19937", ("state", "key"), [0] * 624, "key must not be 0"),
        ("MT19937", ("state", "key"), [1] * 623, "624 whole numbers"),
        ("MT19937", ("state", "key"), [2**32] * 624, "624 whole numbers"),
        ("Philox", ("buffer_pos",), 5, "buffer_pos must be"),
        ("Philox", ("buffer_pos",), -1, "buffer_pos must be"),
        ("Philox", ("buffer",), [0, 0, 0], "4 whole numbers"),
        ("SFC64", ("state", "state"), [0, 0, 0, 2**64], "4 whole numbers"),
    ],
)
def test_generators_that_would_read_foreign_memory_or_never_end(bits, path, value, words):
    net = Network([2, 3, 1], rng=np.random.Generator(getattr(np.random, bits)(0)))
    file = stored(net, training_state=True)
    length = int.from_bytes(file[:8], "little")
    header = json.loads(file[8 : 8 + length])
    document = json.loads(header["__metadata__"]["fastdnn"])
    document = changed(("training", "generator", *path), value, document)
    header["__metadata__"]["fastdnn"] = json.dumps(document)
    assert words in refused(framed(json.dumps(header), file[8 + length :]))


# ------------------------------------------------------------------------------------- any bytes


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), JSON, st.sampled_from(WHERE))
def test_anything_else_is_a_model_file_error(data, value, path):
    for file in (
        data,
        framed(data),
        framed(json.dumps({"W1": value})),
        with_document(json.dumps(value)),
        with_document(changed(path, value)),
    ):
        try:
            net = load(io.BytesIO(file))
        except ModelFileError:
            continue
        assert np.isfinite(net.predict(np.ones((2, 2)))).all()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 7), min_size=2, max_size=5),
    st.sampled_from(["float32", "float64"]),
    st.randoms(),
)
def test_any_network_comes_back(dims, dtype, random):
    names = [random.choice(["relu", "gelu", "identity"]) for _ in dims[1:-1]]
    net = Network(dims, names, "identity", dtype=dtype, rng=random.randrange(2**32))
    other = load(io.BytesIO(stored(net, training_state=True)))
    for name, array in net.parameters.items():
        np.testing.assert_array_equal(other.parameters[name], array)


# ---------------------------------------------------------------------------------- how it is read


class Slow(io.RawIOBase):
    """Gives a byte or two at a time, and cannot be sought in."""

    def __init__(self, data):
        self.data = io.BytesIO(data)

    def readable(self):
        return True

    def read(self, size=-1):
        return self.data.read(min(size, 2) if size > 0 else size)


def test_files_that_give_little_at_a_time():
    assert repr(load(Slow(FILE))) == repr(NET)
    with pytest.raises(ModelFileError, match="too soon"):
        load(Slow(FILE[:-3]))


def test_an_open_file_is_read_from_where_it_is():
    file = io.BytesIO(b"before" + FILE)
    file.seek(6)
    assert repr(load(file)) == repr(NET)


@pytest.mark.parametrize("source", [io.StringIO("{}"), 3, None, [], NET, True])
def test_sources_that_are_none(source):
    with pytest.raises(TypeError, match="path must be"):
        load(source)
    with pytest.raises(TypeError, match="path must be"):
        save(NET, source)


def test_paths_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        load(tmp_path)


@pytest.mark.parametrize("size", [0, 3, 8, 100, len(FILE) - 1, len(FILE) + 1])
@pytest.mark.parametrize("mmap", [False, True])
def test_files_of_other_sizes_are_named(size, mmap, tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes((FILE + b"\0")[:size])
    with pytest.raises(ModelFileError, match=re.escape(str(path))):
        load(path, mmap=mmap)


def test_what_cannot_be_mapped(tmp_path):
    with pytest.raises(TypeError, match="a path to be mapped"):
        load(io.BytesIO(FILE), mmap=True)
    save({"W1": np.ones((1, 2)), "b1": np.ones((1, 1))}, tmp_path / "parameters")
    with pytest.raises(ValueError, match="mmap=True is for networks"):
        load(tmp_path / "parameters", mmap=True)
    names = ["b1", "W1", "b2", "W2"]
    at, header, data = 0, {"__metadata__": HEADER["__metadata__"]}, b""
    for name in names:
        begin, end = HEADER[name]["data_offsets"]
        header[name] = HEADER[name] | {"data_offsets": [at, at + end - begin]}
        data, at = data + DATA[begin:end], at + end - begin
    path = tmp_path / "net"
    path.write_bytes(framed(json.dumps(header), data))
    np.testing.assert_array_equal(load(path).parameters["W2"], NET.parameters["W2"])
    with pytest.raises(ModelFileError, match="do not lie in the order"):
        load(path, mmap=True)


@pytest.mark.parametrize(
    "file",
    [
        (2**60).to_bytes(8, "little"),
        with_header(b2={"data_offsets": [104, 104 + 2**50], "shape": [2**30, 2**17]}),
        framed('{"W1":{"dtype":"F64","shape":[1073741824,128],"data_offsets":[0,1099511627776]}}'),
        with_document(changed(("network", "layer_dims"), [2**31 - 1, 2**31 - 1, 2**31 - 1])),
    ],
)
def test_what_a_header_claims_takes_no_memory(file):
    tracemalloc.start()
    try:
        refused(file)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_errors_are_one_short_line():
    for file in (
        framed('{"a\\n\\u001b[2J":{"dtype":"F64","shape":[1],"data_offsets":[0,0]}}'),
        framed('{"a\\n":{"dtype":"F64","shape":[1],"data_offsets":[8,16]}}'),
        with_document(DOCUMENT | {"\n\x1b[2J": 1}),
        with_document(changed(("epochs",), [[["\n" * 99] * 99] * 99] * 9)),
        framed(json.dumps({"x" * 500000: 1})),
        with_document(changed(("network", "layer_dims"), list(range(90000)))),
        with_document(changed(("kind",), "k" * 400000)),
    ):
        said = refused(file)
        assert len(said) < 400
        assert said.isprintable()


def test_the_error_is_a_value_error():
    assert issubclass(fastdnn.ModelFileError, ValueError)
