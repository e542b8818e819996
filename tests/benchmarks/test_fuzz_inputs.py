"""Inputs of the fuzzer: the same ones again, damaged or changed as they say, and the meaning kept where they say so."""

import io
import json
import random
import zipfile
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml
from fuzz_archives import repacked, saved_with_a_change
from fuzz_audio import recordings, with_a_foreign_part
from fuzz_bytes import damaged
from fuzz_inputs import WAYS, make_input
from fuzz_reader import Reader
from fuzz_trees import Deep, Pairs, changed, reordered, tree, written
from fuzz_values import BLOCK, made_up

CONTENT: dict[str, Any] = {"a": 1, "b": [True, None, -2.5, "x"], "c": {"d": {}, "e": []}}
SEEDS = {
    "text": b"1\t2\t0\t1\n",
    "yaml": b"a: 1\nb: [2, x]\n",
    "json": json.dumps(CONTENT).encode(),
    "lines": b'{"a": 1}\n{"b": [1, 2]}\n',
    "names": b"0",
    "binary": bytes(range(100)),
}


def saved() -> bytes:
    made = io.BytesIO()
    torch.save({"w": torch.arange(6.0), "n": [1, 2]}, made)
    return made.getvalue()


@pytest.mark.parametrize("kind", SEEDS)
def test_inputs_follow_from_the_seed_and_are_made_in_every_way(kind: Any) -> None:
    reader = Reader("planted", kind, ".*", lambda _: [], lambda folder: None)
    seeds = [{"a_b_c": SEEDS[kind], "d_e": SEEDS[kind]}]
    made = [make_input(reader, seeds, 1, number) for number in range(60)]
    assert made == [make_input(reader, seeds, 1, number) for number in range(60)]
    assert made != [make_input(reader, seeds, 2, number) for number in range(60)]
    assert {one.way for one in made} == set(WAYS[reader.kind])
    assert sum(one.files != seeds[0] for one in made) > 50


def test_damage_changes_most_files_and_never_fails() -> None:
    rng = random.Random(1)
    for content in (b"", b"a", b"0.1 2\n" * 50, bytes(300)):
        made = [damaged(content, rng, b"other 7") for _ in range(300)]
        assert len(set(made)) > 30


@pytest.mark.parametrize("as_yaml", [False, True])
def test_a_tree_is_written_so_that_it_is_read_again(as_yaml: bool) -> None:
    text = written(tree(CONTENT), yaml=as_yaml)
    assert (yaml.safe_load(text) if as_yaml else json.loads(text)) == CONTENT
    shuffled = written(reordered(tree(CONTENT), random.Random(3)), yaml=as_yaml)
    assert shuffled != text
    assert json.loads(shuffled) == CONTENT


def test_a_tree_may_have_a_key_twice_and_be_deep() -> None:
    assert written(Pairs([("a", 1), ("a", [2])]), yaml=False) == '{"a": 1, "a": [2]}'
    assert written(Deep(3), yaml=False) == "[[[1]]]"
    assert written(Deep(2, mapping=True), yaml=True) == '{"a": {"a": 1}}'
    assert written([float("inf"), 10**400], yaml=True) == "[.inf, 1" + "0" * 400 + "]"


def test_changes_of_a_tree_are_many_and_leave_the_tree_alone() -> None:
    rng, root = random.Random(1), tree(CONTENT)
    before = written(root, yaml=False)
    assert len({written(changed(root, rng), yaml=False) for _ in range(300)}) > 150
    assert written(root, yaml=False) == before
    put = written(changed(tree({"a": 1}), rng, {"made": "up"}, put=True), yaml=False)
    assert '{"made": "up"}' in put


def test_a_foreign_part_of_a_recording_changes_no_sample() -> None:
    rng, found = random.Random(1), 0
    for _, content in recordings():
        made = with_a_foreign_part(content, rng)
        if made is not None:
            found += 1
            before, after = (soundfile.read(io.BytesIO(one))[0] for one in (content, made))
            assert len(made) > len(content)
            assert np.array_equal(before, after)
    assert found > 8


def test_changed_archives_have_right_check_sums() -> None:
    rng, content = random.Random(1), saved()
    for make in (repacked, saved_with_a_change):
        made = {make(content, rng) for _ in range(60)}
        assert len(made) > 20
        for one in made:
            if zipfile.is_zipfile(io.BytesIO(one)):
                assert zipfile.ZipFile(io.BytesIO(one)).testzip() is None


def test_values_that_hypothesis_makes_up_are_the_same_again() -> None:
    values = made_up("anything", 4)
    assert len(values) == BLOCK
    made_up.cache_clear()
    assert repr(made_up("anything", 4)) == repr(values)
    assert repr(made_up("anything", 5)) != repr(values)
