"""Fits of several ranks of MPI."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from launched import launch, need_mpi

from fastdnn._core import levels

PROGRAM = Path(__file__).with_name("program.py")
ALONE = "as_one_process", "same_bits", "one_rank", "no_communicator"
TOGETHER = (
    *("other_ways", "left", "freed", "unequal_shards", "resumed", "drawn_apart"),
    *("validated", "called", "told", "raised", "interrupted", "goes_on", "diverged", "refused"),
)
several = pytest.mark.parametrize("n", [2, 3, 4])


@pytest.fixture(scope="module")
def answers():
    """All answers, by the number of ranks: a program of many ranks takes seconds to start."""
    need_mpi()
    found = {}

    def of(n):
        if n not in found:
            # one of them by messages, as where processes share no memory
            room = ["without room"] if n == 3 else []
            run = launch(n, PROGRAM, ",".join(ALONE if n == 1 else (*ALONE, *TOGETHER)), *room)
            found[n] = json.loads(run.stdout) if run.returncode == 0 else run.stderr[-3000:]
        assert isinstance(found[n], dict), found[n]
        return found[n]

    return of


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_steps_are_those_of_one_process(n, answers):
    for answer in answers(n)["as_one_process"]:
        for case, differences in answer.items():
            # the sums over a batch are made of n sums
            bound = 0 if n == 1 else 1e-12 if "64" in case else 1e-5
            assert max(differences) <= bound, case


@pytest.mark.skipif(levels.level == "base", reason="without fused sums BLAS makes the products")
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_parts_that_fall_together_give_the_same_bits(n, answers):
    for answer in answers(n)["same_bits"]:
        for case, same in answer.items():
            assert all(same), case


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_one_rank_is_an_ordinary_fit(n, answers):
    assert not any(answers(n)["one_rank"])


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_what_is_no_communicator_is_named(n, answers):
    for answer in answers(n)["no_communicator"]:
        for kind, message in answer:
            assert kind == "TypeError"
            assert re.match("comm must be an intracommunicator of mpi4py, .* got ", message)


@several
def test_messages_give_the_same_bits_as_shared_memory(n, answers):
    assert not np.any(answers(n)["other_ways"])


@several
def test_shared_memory_has_no_name_when_it_takes_room(n, answers):
    assert not any(answers(n)["left"])


@several
def test_no_communicator_is_left_after_a_fit(n, answers):
    assert answers(n)["freed"] == [[[True, False, False], 0]] * n


@several
def test_unequal_and_empty_shards(n, answers):
    for answer in answers(n)["unequal_shards"]:
        for case, differences in answer.items():
            assert max(differences) <= 1e-12, case


@several
def test_training_goes_on_exactly(n, answers):
    assert not any(answers(n)["resumed"])


@several
def test_each_rank_draws_for_itself(n, answers):
    assert np.all(answers(n)["drawn_apart"])


@several
def test_validation_examples_of_all_ranks_count(n, answers):
    for difference, epochs in answers(n)["validated"]:
        assert abs(difference) < 1e-12
        assert epochs == 2


@several
def test_the_first_rank_calls_callbacks_and_stops_all(n, answers):
    (seen, *ended), *others = answers(n)["called"]
    assert seen == [[1, 1], [2, 2], [3, 3]]
    assert ended == [3, 3]
    assert others == [[[], 3, 3]] * (n - 1)


@several
def test_a_callback_s_rate_and_parameters_are_for_all(n, answers):
    rates = [0.1, 0.05, 0.025, 0.0125]
    for rank, (seen, difference, rate) in enumerate(answers(n)["told"]):
        assert seen == (rates if rank == 0 else [])
        assert difference == 0
        assert rate == rates[-1]


@several
def test_an_error_of_a_callback_ends_all(n, answers):
    (first, written), *others = answers(n)["raised"]
    assert first == ["LookupError", "a callback's own"]
    for told, _ in others:
        assert told == ["LookupError", "rank 0: a callback's own"]
    for answer in answers(n)["raised"]:
        assert answer[1] == written
    assert written[0] == "RuntimeError"
    assert "differs from that of rank 0" in written[1]


@several
def test_an_interrupt_of_one_rank_ends_all_after_the_same_step(n, answers):
    for (kind, _), epochs, checksum in answers(n)["interrupted"]:
        assert kind == "KeyboardInterrupt"
        assert epochs == 2
        assert checksum == answers(n)["interrupted"][0][2]


@several
def test_training_goes_on_after_one_rank_has_ended_a_fit_between_epochs(n, answers):
    first, *others = answers(n)["goes_on"]
    assert others == [first] * (n - 1)
    kinds = *("KeyboardInterrupt",) * 2, *("LookupError",) * 2
    for expected, (kind, again, epochs, _) in zip(kinds, first, strict=True):
        assert kind == expected
        assert again is None
        assert epochs == 4


@several
def test_divergence_is_undone_on_every_rank(n, answers):
    for (kind, message), restored in answers(n)["diverged"]:
        assert kind == "FloatingPointError"
        assert "diverged in epoch 1" in message
        assert restored


@several
@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("sizes", "layer_dims must be the same on every rank, but rank 0 has (7, 4, 3)"),
        ("type", "dtype must be the same on every rank"),
        ("activation", "activation, output_activation or cost must be the same"),
        ("parameters", "the network's parameters (its rng) must be the same"),
        ("trained", "the count of earlier epochs or steps must be the same"),
        ("generator", "the network's generator (its rng) must be the same"),
        ("no seed", "the network's parameters (its rng) must be the same"),
        ("drawn from", "the network's parameters (its rng) must be the same"),
        ("batch_size", "batch_size must be the same on every rank, but rank 0 has 8, and rank"),
        ("no batch_size", "batch_size must be the same"),
        ("l2", "l2 must be the same"),
        ("epochs", "epochs must be the same"),
        ("clip_norm", "clip_norm must be the same"),
        ("dropout", "dropout must be the same"),
        ("shuffle", "shuffle must be the same"),
        ("accumulate", "accumulate must be the same"),
        ("optimizer", "optimizer must be the same"),
        ("learning_rate", "learning_rate must be the same"),
        ("schedule", "learning_rate must be the same"),
        ("small", "batch_size must be at least the number of ranks"),
        ("gram", "first_layer='gram' does not go with comm"),
        ("dropped", "last_batch='drop' does not go with comm"),
        ("best", "keep='best' does not go with comm"),
        ("no examples", "X must have examples on one rank or more"),
    ],
)
def test_a_difference_is_the_same_error_on_every_rank(n, case, message, answers):
    first, *others = (answer[case] for answer in answers(n)["refused"])
    assert first[0] == "ValueError"
    assert first[1].startswith(message), first[1]
    assert others == [first] * (n - 1)


@several
@pytest.mark.parametrize(
    ("case", "kind", "message"),
    [
        ("X", "ValueError", "X must be finite in float64, but row 3 is not"),
        ("width", "ValueError", "X must have shape (m, 7)"),
        ("Y", "ValueError", "Y must have shape (20,)"),
        ("type of l2", "TypeError", "l2 must be"),
        ("callbacks", "TypeError", "callbacks must be"),
        ("empty, no Y", "ValueError", "Y of a rank without examples must have no rows, got None"),
        ("empty, Y", "ValueError", "Y of a rank without examples must have no rows, got shape"),
        ("empty, width", "ValueError", "X of a rank without examples must have shape (0, 7)"),
        (
            *("empty, weights", "ValueError"),
            "sample_weight of a rank without examples must have no rows, got shape (5,)",
        ),
        (
            *("empty, weight", "ValueError"),
            "sample_weight of a rank without examples must have no rows, got float",
        ),
    ],
)
def test_bad_input_on_one_rank_is_refused_by_all(n, case, kind, message, answers):
    *others, last = (answer[case] for answer in answers(n)["refused"])
    assert last[0] == kind
    assert last[1].startswith(message), last[1]
    assert others == [[kind, f"rank {n - 1}: {last[1]}"]] * (n - 1)


@several
def test_a_refusal_leaves_all_as_it_was(n, answers):
    assert [answer["still works"] for answer in answers(n)["refused"]] == [None] * n


@several
def test_a_rank_without_examples_may_give_lists(n, answers):
    assert [answer["empty, list"] for answer in answers(n)["refused"]] == [None] * n
