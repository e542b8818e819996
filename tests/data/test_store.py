import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from data.audio import cut_cycle, fade, pad_cycle, read_recording, resample
from data.dataset import DataSet
from data.errors import DataError
from data.features import log_mel, normalise
from data.icbhi import read_icbhi
from data.recipe_parts import FeatureConfig
from data.store import FeatureStore, build_store, open_store
from data.task import TASKS
from evidence.ledger import Seal

SMALL = FeatureConfig(sample_rate=4000, duration_s=1.0, n_mels=16)


@pytest.fixture
def data(recordings: Path) -> DataSet:
    return read_icbhi(recordings)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def build(
    data: DataSet, cache: Path, config: FeatureConfig = SMALL, workers: int | None = None
) -> FeatureStore:
    return build_store(data, config, part="train", cache=cache, workers=workers, progress=False)


def features_of(store: FeatureStore, rows: list[int] | np.ndarray | None = None) -> torch.Tensor:
    """As training sees them, in one batch."""
    examples = store.examples(rows)
    ((features, _),) = examples.batches([torch.arange(len(examples))])
    return features


def stores(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.is_dir())


def test_a_row_is_a_cycle_with_its_label_patient_recording_and_device(data: DataSet, cache: Path) -> None:
    store = build(data, cache)
    assert store.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert store.patients.tolist() == [301] * 3 + [302] * 3
    assert store.recordings == ("301_1b1_Al_sc_Meditron",) * 3 + ("302_1b1_Pr_sc_Litt3200",) * 3
    assert store.devices == ("Meditron",) * 3 + ("Litt3200",) * 3
    assert store.features.shape == (6, SMALL.frames, 16)
    assert store.data_hash == data.content_hash()


def test_features_are_those_of_each_cycle_alone(data: DataSet, cache: Path) -> None:
    config = FeatureConfig(n_mels=32)
    store = build(data, cache, config)
    recording = data.part("train")[1]
    wave, rate = read_recording(recording.path)
    wave = fade(resample(wave, rate, 16000), 16000)
    for row, cycle in enumerate(recording.cycles, start=3):
        clip = pad_cycle(cut_cycle(wave, 16000, cycle.start_s, cycle.end_s), 16000, 8.0)
        alone = normalise(log_mel(clip, config), "per_sample")
        assert torch.allclose(features_of(store, [row])[0], alone, atol=1e-5)


def test_the_number_of_workers_does_not_change_a_bit(data: DataSet, cache: Path) -> None:
    one, three = (build(data, cache / str(workers), workers=workers) for workers in (1, 3))
    assert one.features.tobytes() == three.features.tobytes()


def test_a_second_call_decodes_no_audio(data: DataSet, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build(data, cache)

    def refuse(*_: object) -> None:
        raise AssertionError("audio was decoded")

    monkeypatch.setattr("data.cycle_features.read_recording", refuse)
    again = build(data, cache)
    assert again.directory == first.directory
    assert isinstance(again.features, np.memmap)


def test_only_settings_that_change_the_numbers_make_a_new_store(data: DataSet, cache: Path) -> None:
    first = build(data, cache)
    resized = build(data, cache, SMALL.model_copy(update={"target_frames": 64, "fill": "raw_zero"}))
    louder = build(data, cache, SMALL.model_copy(update={"norm": "audioset"}))
    unfaded = build(data, cache, SMALL.model_copy(update={"fade": False}))
    windowed = build(data, cache, SMALL.model_copy(update={"window": "povey"}))
    assert resized.directory == first.directory
    assert len({first.directory, louder.directory, unfaded.directory, windowed.directory}) == 4


@pytest.mark.parametrize(
    ("config", "settings_hash"), [(FeatureConfig(), "82f30f54d540f46d"), (SMALL, "f1fc780467a08e47")]
)
def test_stores_from_before_there_was_a_choice_of_front_end_and_padding_stay_valid(
    data: DataSet, cache: Path, config: FeatureConfig, settings_hash: str
) -> None:
    one = replace(data, recordings=data.part("train")[:1])
    assert build(one, cache, config).directory.name.endswith(f"-{settings_hash}")


def test_padding_and_front_end_make_stores_of_their_own_with_the_numbers_of_each(
    data: DataSet, cache: Path
) -> None:
    changes = [{"padding": "zeros"}, {"front_end": "stft_db"}, {"front_end": "stft_db", "norm": "min_max"}]
    recording = data.part("train")[0]
    wave, rate = read_recording(recording.path)
    wave = fade(resample(wave, rate, 4000), 4000)
    cycle = recording.cycles[0]
    directories = {build(data, cache).directory}
    for change in changes:
        config = SMALL.model_copy(update={"duration_s": 3.0, **change})
        store = build(data, cache, config)
        clip = pad_cycle(cut_cycle(wave, 4000, cycle.start_s, cycle.end_s), 4000, 3.0, config.padding)
        expected = normalise(log_mel(clip, config), config.norm)
        torch.testing.assert_close(features_of(store, [0])[0], expected)
        directories.add(store.directory)
    assert len(directories) == 1 + len(changes)


def test_every_choice_of_bands_shares_the_store_with_all_of_them(data: DataSet, cache: Path) -> None:
    whole = build(data, cache)
    some = SMALL.model_copy(update={"bands": (3, 4, 5), "band_mode": "fill"})
    assert build(data, cache, some).directory == whole.directory
    assert build(data, cache, some).features.shape[2] == 16


def test_changed_recordings_make_a_new_store(data: DataSet, recordings: Path, cache: Path) -> None:
    first = build(data, cache)
    soundfile.write(recordings / "301_1b1_Al_sc_Meditron.wav", np.full(8000, 0.1), 4000)
    assert build(read_icbhi(recordings), cache).directory != first.directory


def test_the_parts_are_stored_apart(data: DataSet, cache: Path) -> None:
    build(data, cache)
    seal = Seal(data.content_hash(), 1)
    test = build_store(data, SMALL, part="test", cache=cache, progress=False, seal=seal)
    assert test.part == "test"
    assert set(test.patients.tolist()) == {303}
    assert len(stores(cache)) == 2


def test_each_task_has_a_store_of_its_own_and_icbhis_keep_the_name_they_had(
    data: DataSet, cache: Path
) -> None:
    first = build(data, cache)
    assert first.directory.name == f"train-{data.content_hash()[:16]}-f1fc780467a08e47"
    assert first.task == "icbhi"
    other = build(dataclasses.replace(data, task=TASKS["1-2"]), cache)
    assert other.task == "1-2"
    assert other.directory != first.directory


def test_half_precision_halves_the_store_and_reads_as_float32(data: DataSet, cache: Path) -> None:
    full = build(data, cache)
    half = build(data, cache, SMALL.model_copy(update={"storage": "float16"}))
    assert np.array_equal(half.features, full.features.astype(np.float16))
    assert half.examples().features.dtype == torch.float16
    assert features_of(half).dtype == torch.float32
    assert torch.allclose(features_of(half), features_of(full), atol=2e-3)


def test_examples_are_the_rows_asked_for_in_that_order(data: DataSet, cache: Path) -> None:
    store = build(data, cache)
    assert store.examples(np.array([4, 0])).labels.tolist() == [1, 0]
    assert torch.equal(features_of(store, np.array([4, 0])), features_of(store)[[4, 0]])


def test_examples_know_whose_breath_they_are_and_what_recorded_it(data: DataSet, cache: Path) -> None:
    store = build(data, cache)
    rows = np.array([len(store) - 1, 0])
    origins = store.examples(rows).origins
    assert origins is not None
    assert origins.patients.tolist() == store.patients[rows].tolist()
    assert [origins.device_names[one] for one in origins.devices] == [store.devices[row] for row in rows]


def test_all_examples_of_a_store_share_its_memory_map(data: DataSet, cache: Path) -> None:
    store = build(data, cache)
    addresses = {store.examples(rows).features.data_ptr() for rows in ([4, 0], [1], None)}
    assert addresses == {store.features.ctypes.data}


def test_what_is_done_to_features_in_memory_does_not_reach_the_disk(data: DataSet, cache: Path) -> None:
    store = build(data, cache)
    store.examples().features.zero_()
    assert not features_of(store).any()
    assert features_of(open_store(store.directory)).any()


def test_a_disk_that_takes_a_little_at_a_time_gets_everything(
    data: DataSet, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = build(data, cache / "whole")
    write = os.pwrite
    monkeypatch.setattr(
        "data.store.os.pwrite", lambda file, content, place: write(file, content[:999], place)
    )
    slow = build(data, cache / "slow")
    assert slow.features.tobytes() == whole.features.tobytes()


def test_a_part_without_recordings_is_refused(data: DataSet, recordings: Path, cache: Path) -> None:
    split = recordings / "official_split.txt"
    split.write_text(split.read_text().replace("train", "test"))
    with pytest.raises(DataError, match="no train recordings"):
        build(read_icbhi(recordings), cache)
    assert not (cache).exists()


def test_audio_that_turns_out_damaged_leaves_no_store(recordings: Path, cache: Path) -> None:
    wav = recordings / "302_1b1_Pr_sc_Litt3200.wav"
    samples, rate = soundfile.read(wav)
    wav.unlink()
    flac = wav.with_suffix(".flac")
    soundfile.write(flac, samples, rate)
    flac.write_bytes(flac.read_bytes()[:6000])
    with pytest.raises(DataError, match=r"302_1b1_Pr_sc_Litt3200\.flac: .*truncated"):
        build(read_icbhi(recordings), cache)
    assert stores(cache) == []


def test_a_full_disk_leaves_no_store(data: DataSet, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("data.store.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        build(data, cache)
    assert stores(cache) == []


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)


def edit(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text()))


@pytest.mark.parametrize(
    "damage",
    [
        lambda store: (store / "index.json").unlink(),
        lambda store: edit(store / "index.json", lambda text: text[:50]),
        lambda store: edit(store / "index.json", lambda text: "[" * 10**5),
        lambda store: edit(store / "index.json", lambda text: "[]"),
        lambda store: edit(store / "index.json", lambda text: text.replace('"format": ', '"format": 9')),
        lambda store: edit(store / "index.json", lambda text: text.replace("301", "302")),
        lambda store: edit(store / "index.json", lambda text: text.replace("[0, 1, 2", "[1, 1, 2")),
        lambda store: edit(
            store / "index.json", lambda text: text.replace('"data_hash": "', '"data_hash": "0')
        ),
        lambda store: edit(store / "index.json", lambda text: text.replace("check_sums", "sums")),
        lambda store: os.truncate(store / "features.npy", 500),
        lambda store: flip_a_bit(store / "features.npy"),
        lambda store: (store / "features.npy").unlink(),
    ],
)
def test_a_damaged_store_is_refused_and_computed_again(
    data: DataSet, cache: Path, damage: Callable[[Path], None]
) -> None:
    store = build(data, cache)
    features, labels = features_of(store), store.labels
    damage(store.directory)
    with pytest.raises(DataError, match=r"not a whole feature store \("):
        open_store(store.directory)
    with pytest.warns(UserWarning, match=r"not a whole feature store \(.*\); it is computed again"):
        again = build(data, cache)
    assert torch.equal(features_of(again), features)
    assert again.labels.tolist() == labels.tolist()
    assert stores(cache) == [store.directory.name]


def test_a_whole_store_under_the_name_of_another_is_refused(data: DataSet, cache: Path) -> None:
    one, other = build(data, cache).directory, build(data, cache, replace_mels(24)).directory
    shutil.rmtree(other)
    shutil.copytree(one, other)
    with pytest.raises(DataError, match="of other content than its name says"):
        open_store(other)


def replace_mels(n_mels: int) -> FeatureConfig:
    return SMALL.model_copy(update={"n_mels": n_mels})


BUILD_THEN_HANG = """
    import sys, time
    from pathlib import Path
    import data.store
    from data.recipe_parts import FeatureConfig
    from data.icbhi import read_icbhi

    compute, done = data.store.recording_features, []

    def compute_one_then_hang(recording, *settings):
        if done:
            print("one recording computed", flush=True)
            time.sleep(600)
        done.append(recording.name)
        return compute(recording, *settings)

    data.store.recording_features = compute_one_then_hang
    config = FeatureConfig(sample_rate=4000, duration_s=1.0, n_mels=16)
    recordings, cache = read_icbhi(Path(sys.argv[1])), Path(sys.argv[2])
    data.store.build_store(recordings, config, part="train", cache=cache, workers=1, progress=False)
"""


def test_a_killed_build_is_never_read_and_the_next_one_cleans_up(recordings: Path, cache: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(BUILD_THEN_HANG), str(recordings), str(cache)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "one recording computed\n"
        process.send_signal(signal.SIGKILL)
    assert [name.startswith(".draft-") for name in stores(cache)] == [True]
    store = build(read_icbhi(recordings), cache)
    assert len(store) == 6
    assert stores(cache) == [store.directory.name]


def test_builders_of_one_store_at_the_same_time_share_it(recordings: Path, cache: Path) -> None:
    code = BUILD_THEN_HANG.replace("if done:", "if False:")
    command = [sys.executable, "-c", textwrap.dedent(code), str(recordings), str(cache)]
    root = Path(__file__).parents[2]
    processes = [subprocess.Popen(command, cwd=root) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert len(stores(cache)) == 1


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_real_recordings_become_finite_features(shared: Path, cache: Path) -> None:
    data = read_icbhi(shared / "icbhi_sample")
    few = replace(data, recordings=data.part("train")[:6])
    store = build(few, cache, FeatureConfig())
    assert store.features.shape == (sum(len(recording.cycles) for recording in few.recordings), 798, 128)
    features = features_of(store)
    assert features.isfinite().all()
    assert features.std(dim=(1, 2)).sub(0.5).abs().max() < 1e-4
