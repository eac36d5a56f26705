"""Load changed model files: each gives a model that predicts, or a ModelFileError, and no more.

    python tests/campaign/mutants.py --mutants 1000000000 --seed 7 --processes 8

Files of every kind are changed by bytes, by bits, by parts that are moved, and by the words of
their header and document, so that many mutants are refused late. They come in blocks of a thousand,
each of a generator of its own; a fault names its block, and ``--block`` repeats it. ``--long`` says
instead how long it takes to refuse headers of the greatest length.
"""

import argparse
import io
import json
import multiprocessing
import random
import re
import sys
import time
import warnings
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import fastdnn
from fastdnn import ModelFileError, Network, load, save

BLOCK = 1000
# of each thousand mutants those of estimators, which take ten times as long
ESTIMATORS = 10
WORD = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|[\[\]{},:]|[a-z]+')
WORDS = [
    "0", "1", "-1", "2", "3", "7", "8", "64", "true", "false", "null", "1.0", "1e3", "0.5", "-0.0",
    "1e308", "1e999", "-0", "9" * 25, "4611686018427387904", "9223372036854775808", "340282366920",
    "18446744073709551616", "340282366920938463463374607431768211455", "NaN", "-Infinity", '""',
    '"W1"', '"b1"', '"W3"', '"m1"', '"F32"', '"F64"', '"F16"', '"relu"', '"gelu"', '"softmax"',
    '"exp"', '"identity"', '"huber"', '"poisson"', '"cross_entropy"', '"float32"', '"float64"',
    '"parameters"', '"Network"', '"MLPClassifier"', '"MLPRegressor"',
    '"TabularMLPClassifier"', '"TabularPreprocessor"', '"Adam"', '"SGD"', '"sgd"',
    '"adam"', '"momentum"', '"\\ud800"', '"\u00e9"', '"training"', '"shape"', '"<U1"', '"|O"',
    '"<U9999999"', "[]", "{}", "[[]]", "[0]", "[1,1]", "[2,3,1]", '{"number":"inf"}', "[" * 70,
    '{"number":"nan"}', '{"tuple":[3]}', '{"dict":[[1,2]]}', '{"bytes":"a"}', '{"name":"Cosine"}',
    "{", "}", "[", "]", ",", ":",
]  # fmt: skip
X = np.array([[0.5, -1.0], [2.0, 0.25], [0.0, 0.0]])
Y = np.array([0, 1, 1])


class Seed:
    """A file that is changed: its bytes, and the words that its header and document are made of."""

    def __init__(self, model, **options):
        file = io.BytesIO()
        save(model, file, **options)
        self.file = file.getvalue()
        length = int.from_bytes(self.file[:8], "little")
        raw = self.file[8 : 8 + length].decode().rstrip()
        self.start, self.data = 8 + length, self.file[8 + length :]
        text = json.loads(raw)["__metadata__"]["fastdnn"]
        self.before, self.after = raw.split(json.dumps(text, ensure_ascii=False))
        self.words = WORD.findall(text)
        self.header = WORD.findall(raw)


def seeds():
    """Make small files of every kind: of networks and parameters, and of estimators."""
    plain = []
    for dtype, bits in (("float64", "PCG64"), ("float32", "Philox")):
        rng = np.random.Generator(getattr(np.random, bits)(0))
        net = Network([2, 3, 1], "tanh", dtype=dtype, rng=rng)
        net.fit(X, Y, epochs=2)
        plain += [Seed(net), Seed(net, training_state=True)]
        net = Network([2, 2, 2], "gelu", "softmax", dtype=dtype, rng=rng)
        net.fit(X, Y, epochs=2, optimizer=fastdnn.SGD(fastdnn.Cosine(0.1, 5), 0.9))
        plain += [Seed(net), Seed(net, training_state=True)]
    rng = np.random.RandomState(0)  # of 624 words
    net = Network([2, 2], output_activation="identity", cost="huber", rng=rng)
    net.fit(X, X, epochs=2, optimizer=fastdnn.SGD(0.1, 0.9), first_layer="gram")
    plain += [Seed(net, training_state=True)]
    plain += [Seed(fastdnn.initialize_parameters_deep([2, 3, 1], dtype=t)) for t in ("f4", "f8")]
    others = []
    if find_spec("sklearn"):
        from fastdnn.estimators import (
            MLPClassifier,
            MLPRegressor,
            TabularMLPClassifier,
            TabularMLPRegressor,
        )

        for y, options in (
            (np.array(["no", "yes"])[Y], {"class_weight": {"no": 1, "yes": 2}}),
            (np.array([3, 5, 9], "i2"), {"solver": "lbfgs", "activation": ("tanh",)}),
            (np.array([[0, 1], [1, 0], [1, 1]]), {"random_state": np.random.RandomState(0)}),
        ):
            given = {"hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0} | options
            others += [Seed(MLPClassifier(**given).fit(X, y), training_state=True)]
        others += [Seed(MLPRegressor(hidden_layer_sizes=2, max_iter=2).fit(X, X))]
        of_table = {"hidden_layer_sizes": 2, "max_iter": 2, "validation_fraction": None,
                    "categorical_features": [0]}  # fmt: skip
        others += [
            Seed(model)
            for model in (
                TabularMLPClassifier(**of_table).fit(X, Y),
                TabularMLPRegressor(**of_table, n_ensemble=2).fit(X, X),
                TabularMLPClassifier(**of_table).fit(X, Y).preprocessor_,
            )
        ]
    return plain, others


# ------------------------------------------------------------------------------------------ mutants


def framed(header, data):
    raw = header.encode(errors="surrogatepass")
    return len(raw).to_bytes(8, "little") + raw + data


def change_words(draw, words):
    """Replace, leave out, repeat or exchange words."""
    words = list(words)
    for _ in range(1 if draw.random() < 0.7 else draw.randrange(2, 5)):
        at, kind = int(draw.random() * len(words)), draw.random()
        if kind < 0.6:
            words[at] = WORDS[int(draw.random() * len(WORDS))]
        elif kind < 0.75:
            words[at] = words[int(draw.random() * len(words))]
        elif kind < 0.85:
            del words[at : at + draw.randrange(1, 6)]
            if not words:
                return ""
        else:
            to = int(draw.random() * len(words))
            words[to:to] = words[at : at + draw.randrange(1, 9)]
    return "".join(words)


def of_document(draw, seed):
    text = change_words(draw, seed.words)
    said = json.dumps(text) if draw.random() < 0.1 else '"' + text.replace('"', '\\"') + '"'
    return framed(seed.before + said + seed.after, seed.data)


def of_header(draw, seed):
    return framed(change_words(draw, seed.header), seed.data)


def of_bytes(draw, seed):
    """Change bits and bytes anywhere, or in the data alone."""
    file = bytearray(seed.file)
    first = seed.start if draw.random() < 0.3 else 0
    for _ in range(draw.randrange(1, 5)):
        at = first + int(draw.random() * (len(file) - first))
        file[at] = file[at] ^ 1 << draw.randrange(8) if draw.random() < 0.5 else draw.randrange(256)
    return bytes(file)


def of_parts(draw, seed):
    """Cut off, leave out, insert or move a part."""
    file, kind = seed.file, draw.random()
    i, j = sorted((int(draw.random() * len(file)), int(draw.random() * len(file))))
    if kind < 0.3:
        return file[:i]
    if kind < 0.5:
        return file[:i] + file[j:]
    if kind < 0.7:
        return file[:i] + draw.randbytes(draw.randrange(1, 9)) + file[i:]
    if kind < 0.8:
        return file + file[i:j]
    return file[:i] + file[i + (j - i) // 2 : j] + file[i : i + (j - i) // 2] + file[j:]


KINDS = [of_document] * 5 + [of_header] * 3 + [of_bytes] + [of_parts]


# ------------------------------------------------------------------------------------------- judge


def judge(file):
    """Load a mutant, and return in a word what came of it."""
    try:
        model = load(io.BytesIO(file))
    except ModelFileError as error:
        if len(str(error)) > 2500:
            raise AssertionError(f"a message of {len(str(error))} characters") from error
        return "refused"
    if isinstance(model, dict):
        fastdnn.L_model_forward(np.ones((model["W1"].shape[1], 2)), model)
        return "parameters"
    if hasattr(model, "is_categorical_") or hasattr(model, "networks_"):
        tell = getattr(model, "predict", getattr(model, "transform", None))
        if len(tell(np.ones((3, model.n_features_in_)))) != 3:
            raise AssertionError(f"{model!r} tells of other rows")
        return "tables"
    network = isinstance(model, Network)
    n_0 = model.layer_dims[0] if network else len(model.coefs_[0])
    given = X if n_0 == 2 else np.ones((3, n_0))
    found = model.predict(given) if network else answers(model, given)
    if len(found) != 3 or not np.isfinite(found).all():
        weights = [*model.parameters.values()] if network else model.coefs_ + model.intercepts_
        # of large weights the outputs can overflow
        if len(found) != 3 or all(np.abs(W).max() < 1e6 for W in weights):
            raise AssertionError(f"{model!r} predicts {found!r}")
    return "network" if network else "estimator"


def answers(model, given):
    """Call what an estimator offers."""
    if hasattr(model, "feature_names_in_"):
        return np.zeros(3)
    found = model.predict(given)
    if hasattr(model, "classes_"):
        if len(found) != 3:
            raise AssertionError(f"{model!r} predicts {found!r}")
        return model.predict_proba(given)
    return found


def block_of(arguments):
    """Load a block of mutants, and count what came of them."""
    seed, block, folder = arguments
    draw, counts = random.Random(f"{seed} {block}"), Counter()
    for number in range(BLOCK):
        among = OTHERS if OTHERS and number < ESTIMATORS else PLAIN
        one = among[int(draw.random() * len(among))]
        kind = KINDS[int(draw.random() * len(KINDS))]
        file = kind(draw, one)
        try:
            counts[judge(file)] += 1
        except Exception as error:
            path = Path(folder) / f"mutant-{seed}-{block}-{number}.safetensors"
            path.write_bytes(file)
            error.add_note(f"seed {seed}, block {block}, mutant {number}: {path}")
            raise
    return counts


# of headers and documents: what they begin with, what they repeat, and what they end with
LONG = {
    "depth": ('{"a":', "[", ""),
    "lists": ('{"a":[', "[],", "[]]}"),
    "objects": ('{"a":[', "{},", "{}]}"),
    "texts": ('{"a":[', '"",', '""]}'),
    "sizes": ('{"a":{"shape":[', "1,", "1]}}"),
    "one name": ("{", '"a":1,', '"a":1}'),
    "backslashes": ('{"a":"', "\\\\", '"}'),
    "escapes": ('{"a":"', "\\ud83d\\ude00", '"}'),
    "digits": ('{"a":', "9", "}"),
    "arrays": ("{", '"a":{"dtype":"F64","shape":[0],"data_offsets":[0,0]},', '"a":{}}'),
    "numbers of a document": ('{"__metadata__":{"fastdnn":"[', "1,", '1]"}}'),
    "objects of a document": ('{"__metadata__":{"fastdnn":"[', "{},", '{}]"}}'),
}


def report_long():
    """Print how long refusals of long headers take."""
    for name, (first, part, last) in LONG.items():
        file = framed(first + part * ((2**20 - 99) // len(part)) + last, b"")
        times = []
        for _ in range(9):
            start = time.perf_counter()
            if judge(file) != "refused":
                raise AssertionError(f"a header of {name} is taken")
            times.append(time.perf_counter() - start)
        print(f"{name:22} {1e3 * min(times):6.2f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--block", type=int, help="this one alone")
    parser.add_argument("--folder", default=".", help="where a mutant that fails is kept")
    parser.add_argument("--long", action="store_true", help="time refusals of long headers")
    arguments = parser.parse_args()
    if arguments.long:
        return report_long()
    warnings.simplefilter("ignore")
    start, counts = time.perf_counter(), Counter()
    blocks = range(-(-arguments.mutants // BLOCK)) if arguments.block is None else [arguments.block]
    work = [(arguments.seed, block, arguments.folder) for block in blocks]
    if arguments.processes > 1:
        with multiprocessing.get_context("fork").Pool(arguments.processes) as pool:
            for found in pool.imap_unordered(block_of, work, 4):
                counts += found
    else:
        for one in work:
            counts += block_of(one)
    taken = time.perf_counter() - start
    total = sum(counts.values())
    print(f"{total} mutants in {taken:.1f} s, {total / taken:.0f} a second: {dict(counts)}")
    return None


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    PLAIN, OTHERS = seeds()

if __name__ == "__main__":
    sys.exit(main())
