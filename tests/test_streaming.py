"""Batches from files are the batches of the same events in memory: each row once, the same ones after a resume."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ocsf_ssl_lib import (
    Batch,
    EncoderConfig,
    EventStream,
    InputError,
    MaskedFeatureConfig,
    OCSFAnomalyDetector,
    OCSFDataset,
    OCSFPreprocessor,
    ParquetEvents,
    TrainingConfig,
    build_model,
    read_events,
    train_self_supervised,
)
from ocsf_ssl_lib.streaming import prefetched

Events = Callable[..., pd.DataFrame]
ROWS = 330


@pytest.fixture
def log(tmp_path: Path, make_events: Events) -> Path:
    """330 events in three files of row groups of 40."""
    frame = make_events(ROWS)
    for k, part in enumerate((frame[:150], frame[150:200], frame[200:])):
        part.to_parquet(tmp_path / f"{k}.parquet", index=False, row_group_size=40)
    return tmp_path


def stream_of(folder: Path, buffer_rows: int = 100, **period: float) -> EventStream:
    """A stream in which ``traffic.bytes`` tells the rows apart."""
    events = ParquetEvents(folder, **period)
    prep = OCSFPreprocessor(["traffic.bytes"], ["user.name", "time@hour"]).fit(read_events(folder).frame)
    return EventStream(events, prep, buffer_rows=buffer_rows)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rows_of(batches: list[Batch]) -> list[float]:
    return torch.cat([batch.numerical[:, 0] for batch in batches]).tolist()


def assert_same(some: list[Batch], others: list[Batch]) -> None:
    assert len(some) == len(others)
    for a, b in zip(some, others, strict=True):
        for x, y in zip(a, b, strict=True):
            assert torch.equal(x, y)


# ---- batches ---------------------------------------------------------------------------------------------------


def test_in_order_the_batches_are_those_of_the_events_in_memory(log: Path) -> None:
    stream = stream_of(log)
    memory = OCSFDataset.from_frame(stream.preprocessor, read_events(log).frame)
    assert len(stream) == len(memory) == ROWS
    assert stream.names == memory.names == ("traffic.bytes", "user.name", "time@hour")
    assert_same(list(stream.batches(32)), list(memory.batches(32)))


@pytest.mark.parametrize("buffer_rows", [1, 100, 1000])
def test_shuffled_every_row_comes_once_with_all_its_columns(log: Path, buffer_rows: int) -> None:
    stream = stream_of(log, buffer_rows)
    batches = list(stream.batches(32, generator=seeded()))
    assert [len(b.categorical) for b in batches] == [32] * 10 + [10]
    memory = OCSFDataset.from_frame(stream.preprocessor, read_events(log).frame).tensors
    shuffled = Batch(*(torch.cat(parts) for parts in zip(*batches, strict=True)))
    assert not torch.equal(shuffled.numerical, memory.numerical)
    order, expected = shuffled.numerical[:, 0].argsort(), memory.numerical[:, 0].argsort()
    for a, b in zip(shuffled, memory, strict=True):
        assert torch.equal(a[order], b[expected])


def test_the_order_depends_on_the_state_of_the_generator_alone(log: Path) -> None:
    stream, generator = stream_of(log), seeded()
    first, second = list(stream.batches(32, generator=generator)), list(stream.batches(32, generator=generator))
    assert rows_of(first) != rows_of(second)
    assert_same(first, list(stream_of(log).batches(32, generator=seeded())))


def test_a_buffer_mixes_several_row_groups_and_a_larger_one_more(log: Path) -> None:
    def groups_in_a_batch(buffer_rows: int) -> float:
        stream = stream_of(log, buffer_rows)
        group = {}
        for k, piece in enumerate(stream.events.pieces):
            group |= dict.fromkeys(stream._read(piece).numerical[:, 0].tolist(), k)
        batches = stream.batches(32, generator=seeded())
        return float(np.mean([len({group[v] for v in b.numerical[:, 0].tolist()}) for b in batches]))

    one, some, every = map(groups_in_a_batch, (1, 100, 1000))
    assert one < 2.5 < some < 5 < every


@pytest.mark.parametrize("start", [0, 1, 4, 10, 11, 12])
@pytest.mark.parametrize("shuffle", [True, False])
def test_from_start_on_the_batches_are_those_of_a_whole_epoch(log: Path, start: int, shuffle: bool) -> None:
    stream = stream_of(log)
    for data in (stream, OCSFDataset.from_frame(stream.preprocessor, read_events(log).frame)):
        whole, resumed = (seeded() if shuffle else None for _ in range(2))
        expected = list(data.batches(32, generator=whole))[start:]
        assert_same(list(data.batches(32, generator=resumed, start=start)), expected)
        if whole is not None and resumed is not None and start < 11:  # the epoch after it is the same too
            assert torch.equal(whole.get_state(), resumed.get_state())


def test_what_lies_before_start_is_not_read(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, read = stream_of(log), []
    original = EventStream._read
    monkeypatch.setattr(EventStream, "_read", lambda self, piece: read.append(piece) or original(self, piece))
    list(stream.batches(32, generator=seeded(), start=8))
    assert 0 < sum(piece.rows for piece in read) <= 200


@pytest.mark.parametrize(("rows", "sizes"), [(65, [32, 33]), (66, [32, 32, 2]), (1, [1]), (33, [33])])
def test_a_last_batch_of_one_row_joins_the_one_before(
    tmp_path: Path, make_events: Events, rows: int, sizes: list[int]
) -> None:
    frame = make_events(rows)
    frame.to_parquet(tmp_path / "log.parquet", index=False, row_group_size=7)
    prep = OCSFPreprocessor(["traffic.bytes"], ["user.name"]).fit(make_events(50))
    for data in (EventStream(ParquetEvents(tmp_path), prep), OCSFDataset.from_frame(prep, frame)):
        assert [len(b.categorical) for b in data.batches(32, generator=seeded())] == sizes
        assert data.num_batches(32) == len(sizes)


def test_batches_move_to_the_device_asked_for(log: Path) -> None:
    moved = stream_of(log).to("meta").shard(0, 1)
    assert next(moved.batches(8)).numerical.device.type == "meta"


def test_a_sample_is_spread_and_always_the_same(log: Path) -> None:
    stream = stream_of(log)
    first, again = stream.sample(60), stream.sample(60)
    assert_same([first.tensors], [again.tensors])
    assert first.names == stream.names
    assert 55 <= len(first) <= 65
    assert len(stream.sample(10_000)) == ROWS
    value = dict(zip(rows_of(list(stream.batches(ROWS))), range(ROWS), strict=True))
    places = [value[v] // 110 for v in rows_of([first.tensors])]
    assert min(map(places.count, range(3))) >= 10


def test_the_fingerprint_tells_other_events_and_other_options(log: Path, make_events: Events) -> None:
    stream = stream_of(log)
    first = stream.fingerprint()
    assert first == stream_of(log).fingerprint()
    assert first != stream_of(log, buffer_rows=101).fingerprint()
    other = OCSFPreprocessor(["traffic.bytes"], ["user.name"]).fit(read_events(log).frame)
    assert first != EventStream(stream.events, other, buffer_rows=100).fingerprint()
    make_events(150, seed=1).to_parquet(log / "0.parquet", index=False, row_group_size=40)
    assert first != EventStream(ParquetEvents(log), stream.preprocessor, buffer_rows=100).fingerprint()


# ---- several processes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("rows", [ROWS, 192, 193, 195, 197])
@pytest.mark.parametrize("in_memory", [True, False])
def test_each_process_takes_its_slice_of_each_global_batch(
    tmp_path: Path, make_events: Events, rows: int, world: int, in_memory: bool
) -> None:
    make_events(rows).to_parquet(tmp_path / "log.parquet", index=False, row_group_size=40)
    stream = stream_of(tmp_path)
    data = OCSFDataset.from_frame(stream.preprocessor, read_events(tmp_path).frame) if in_memory else stream
    shards = [data.shard(rank, world).to("cpu") for rank in range(world)]
    parts = [list(shard.batches(32, generator=seeded())) for shard in shards]
    sizes = [[len(batch.categorical) for batch in part] for part in parts]
    assert all(size == sizes[0] for size in sizes)
    assert len(sizes[0]) == shards[0].num_batches(32)
    assert min(sizes[0]) >= 2
    together = [value for part in parts for value in rows_of(part)]
    assert len(set(together)) == len(together)  # none twice
    assert rows - len(together) < world
    whole = next(data.batches(32 * world, generator=seeded()))
    assert rows_of([whole]) == rows_of([part[0] for part in parts])


def test_a_shard_resumes_where_it_stopped(log: Path) -> None:
    shard = stream_of(log).shard(1, 2)
    whole = list(shard.batches(32, generator=seeded()))
    assert_same(list(shard.batches(32, generator=seeded(), start=3)), whole[3:])


def test_a_rank_that_cannot_be_and_too_few_events_are_refused(log: Path) -> None:
    stream = stream_of(log)
    for data in (stream, stream.sample()):
        with pytest.raises(InputError, match="rank=2, world=2"):
            data.shard(2, 2)
        with pytest.raises(InputError, match=r"330 event.* for 200 processes; each needs at least 2"):
            data.shard(0, 200).num_batches(32)


# ---- the thread that reads ahead -------------------------------------------------------------------------------


def reading() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("prefetch")]


def test_the_thread_ends_when_the_consumer_stops_early(log: Path) -> None:
    batches = stream_of(log).batches(16, generator=seeded())
    next(batches)
    assert reading()
    batches.close()  # type: ignore[attr-defined]
    assert not reading()


def test_the_thread_ends_when_the_consumer_raises(log: Path) -> None:
    def consume() -> None:
        for _ in stream_of(log).batches(16):
            raise KeyError("the consumer's own")

    with pytest.raises(KeyError) as caught:
        consume()
    del caught  # its traceback keeps the generator alive
    assert not reading()


def test_the_next_result_is_made_while_the_last_one_is_in_use() -> None:
    started = [threading.Event() for _ in range(4)]

    def job(k: int) -> int:
        started[k].set()
        return k

    results = prefetched([lambda k=k: job(k) for k in range(4)])  # type: ignore[misc]
    assert next(results) == 0
    assert started[1].wait(10)
    assert not started[2].is_set()  # one ahead, not more: memory
    assert list(results) == [1, 2, 3]
    assert not reading()


def test_an_error_while_reading_reaches_the_consumer(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Batch:
        raise InputError("log.parquet: unreadable; copy it again")

    stream = stream_of(log)
    monkeypatch.setattr(EventStream, "_read", fail)
    with pytest.raises(InputError, match="unreadable"):
        next(stream.batches(16))
    assert not reading()


# ---- columns ---------------------------------------------------------------------------------------------------


def test_a_column_that_one_file_lacks_is_missing_there(log: Path) -> None:
    expected = pd.read_parquet(log / "1.parquet").drop(columns="user.name")
    expected.to_parquet(log / "1.parquet", index=False)
    stream = stream_of(log)
    memory = OCSFDataset.from_frame(stream.preprocessor, read_events(log).frame)
    assert_same(list(stream.batches(32)), list(memory.batches(32)))


def test_a_column_that_every_file_lacks_is_refused_when_the_stream_is_made(log: Path) -> None:
    frame = read_events(log).frame
    prep = OCSFPreprocessor(["traffic.bytes"], ["user.name", "gone"]).fit(frame.assign(gone=["a", "b"] * (ROWS // 2)))
    with pytest.raises(InputError, match="absent: gone"):
        EventStream(ParquetEvents(log), prep)
    prep.on_missing_column = "missing"
    batch = next(EventStream(ParquetEvents(log), prep).batches(8))
    assert batch.categorical[:, 1].tolist() == [2] * 8


@pytest.mark.parametrize("kind", ["string", "float64", "int32", "object"])
def test_a_column_of_another_type_in_one_file_gives_the_same_categories(log: Path, kind: str) -> None:
    frame = pd.read_parquet(log / "1.parquet")
    ports = frame["dst_endpoint.port"].astype(object if kind == "object" else kind)
    frame["dst_endpoint.port"] = ports.where(np.arange(len(ports)) % 9 > 0) if kind != "int32" else ports
    frame.to_parquet(log / "1.parquet", index=False)
    whole = read_events(log).frame
    prep = OCSFPreprocessor(["traffic.bytes"], ["dst_endpoint.port"]).fit(whole)
    stream = EventStream(ParquetEvents(log), prep)
    assert_same(list(stream.batches(32)), list(OCSFDataset.from_frame(prep, whole).batches(32)))


def test_text_among_numbers_is_missing_and_no_warning_comes_from_the_thread(
    log: Path, recwarn: pytest.WarningsRecorder
) -> None:
    frame = pd.read_parquet(log / "1.parquet")
    frame["traffic.bytes"] = ["-", *frame["traffic.bytes"].astype(str)[1:]]
    frame.to_parquet(log / "1.parquet", index=False)
    prep = OCSFPreprocessor(["traffic.bytes"], ["user.name"]).fit(pd.read_parquet(log / "0.parquet"))
    missing = torch.cat([b.missing_mask for b in EventStream(ParquetEvents(log), prep).batches(32)])
    assert missing.flatten().nonzero().tolist() == [[150]]
    assert not recwarn.list


# ---- training --------------------------------------------------------------------------------------------------


def small_model(stream: EventStream) -> torch.nn.Module:
    config = MaskedFeatureConfig(encoder_config=EncoderConfig(d_model=8, num_blocks=1))
    return build_model(config, 1, stream.preprocessor.cardinalities_)


def test_training_on_a_stream_is_deterministic_and_learns(log: Path) -> None:
    config = TrainingConfig(max_epochs=6, batch_size=32, device="cpu")
    losses = []
    for _ in range(2):
        stream = stream_of(log)
        history = train_self_supervised(small_model(stream), stream, stream.sample(60), config)  # type: ignore[arg-type]
        losses.append(history.frame["validation_loss"].tolist())
    assert losses[0] == losses[1]
    assert losses[0][-1] < losses[0][0]


def test_a_run_killed_within_an_epoch_resumes_to_the_same_weights(
    log: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TrainingConfig(max_epochs=2, batch_size=32, device="cpu", checkpoint_steps=3)
    folder = tmp_path_factory.mktemp("checkpoints")
    whole, stopped, resumed = (small_model(stream_of(log)) for _ in range(3))
    train_self_supervised(whole, stream_of(log), None, config)  # type: ignore[arg-type]
    original = EventStream.batches

    def kill_at_the_eighth(self: EventStream, *args: object, **options: object):  # type: ignore[no-untyped-def]
        for k, batch in enumerate(original(self, *args, **options)):  # type: ignore[arg-type]
            if k == 8:
                raise KeyboardInterrupt
            yield batch

    monkeypatch.setattr(EventStream, "batches", kill_at_the_eighth)
    with pytest.raises(KeyboardInterrupt):
        train_self_supervised(stopped, stream_of(log), None, config, checkpoints=folder)  # type: ignore[arg-type]
    monkeypatch.setattr(EventStream, "batches", original)
    train_self_supervised(resumed, stream_of(log), None, config, checkpoints=folder, resume=True)  # type: ignore[arg-type]
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


@pytest.mark.parametrize("score", ["likelihood", "knn"])
def test_a_detector_fits_on_files(
    log: Path, make_detector: Callable[..., OCSFAnomalyDetector], monkeypatch: pytest.MonkeyPatch, score: str
) -> None:
    seen: list[object] = []

    def record(model: object, train: object, validation: object, *args: object, **options: object) -> object:
        seen.extend((train, validation))
        return train_self_supervised(model, train, validation, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("ocsf_ssl_lib.detect.detector.train_self_supervised", record)
    frame = read_events(log).frame
    fits = [make_detector(objective="masked", score=score).fit(ParquetEvents(log)) for _ in range(2)]
    scores = [detector.score_samples(frame) for detector in fits]
    np.testing.assert_array_equal(*scores)
    assert np.isfinite(scores[0]).all()
    train, validation = seen[:2]
    assert isinstance(train, EventStream)
    assert isinstance(validation, OCSFDataset)
    assert len(train) + len(validation) == ROWS
    assert len(validation) == 33
    values = rows_of(list(train.batches(64))) + validation.tensors.numerical[:, 0].tolist()
    assert len(set(values)) == ROWS  # no event on both sides
