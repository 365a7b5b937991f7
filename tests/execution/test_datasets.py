"""A room whose data file is a data set: its cells read it, and say so when it is gone."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from interview_ext.errors import DatasetMissing
from interview_ext.rooms.model import DataFile
from interview_ext.sandbox.broker import Broker
from interview_ext.sandbox.datasets import DatasetFolder, StoredDataset
from interview_ext.sandbox.docker import DockerEngine
from interview_ext.sandbox.sandboxes import Sandboxes
from tests.execution.conftest import Bench
from tests.execution.sandboxes import house
from tests.sandbox.broker_process import BrokerProcess, running_broker
from tests.sandbox.data_sets import opened, put

pytestmark = pytest.mark.timeout(120)
MIB = 1024 * 1024
READ = (
    "import hashlib; print(hashlib.file_digest(open('data/big.bin', 'rb'), 'sha256').hexdigest())"
)


@pytest.fixture
async def broker(sandbox_image: None) -> AsyncIterator[BrokerProcess]:
    async with running_broker() as broker:
        yield broker


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DatasetFolder]:
    with opened(tmp_path / "datasets", max_bytes=100 * MIB) as folder:
        yield folder


def stored(folder: DatasetFolder) -> StoredDataset:
    content = os.urandom(MIB) * 20
    dataset = put(folder, content)
    assert dataset.digest == hashlib.sha256(content).hexdigest()
    return dataset


async def give(bench: Bench, dataset: StoredDataset) -> None:
    file = DataFile(
        room_id=bench.room.id,
        path="big.bin",
        size=dataset.size,
        digest=dataset.digest,
        dataset=True,
    )
    await bench.store.put_dataset(file)


Way = Callable[[BrokerProcess, DatasetFolder], Broker]


def in_process(_: BrokerProcess, folder: DatasetFolder) -> Broker:
    return Sandboxes(
        server_id=f"test-{secrets.token_hex(6)}",
        pool_size=0,
        engine=DockerEngine(datasets=folder.shared),
        datasets=folder,
    )


def through_the_broker(broker: BrokerProcess, folder: DatasetFolder) -> Broker:
    return broker.client("one", datasets=folder)


@pytest.mark.parametrize("way", [in_process, through_the_broker])
async def test_cells_read_it_and_a_kernel_without_it_says_which_it_was(
    way: Way, broker: BrokerProcess, folder: DatasetFolder, tmp_path: Path
) -> None:
    sandboxes = way(broker, folder)
    async with house(tmp_path / "house", sandboxes) as bench:
        dataset = stored(folder)
        await give(bench, dataset)
        bench.notebook(a=READ, b="open('mine.txt', 'w').write('x')", c="1")
        assert (await bench.run("a"))["state"] == "done"
        assert bench.text("a").strip() == dataset.digest
        await bench.run("b")
        listed = await bench.executions.files(bench.candidate)
        assert [(file.path, file.size) for file in listed.files] == [("mine.txt", 1)]
        await sandboxes.drop(dataset.digest)
        folder.remove(dataset.digest)
        assert (await bench.run("a"))["state"] == "error", "a broken link reads nothing"
        with pytest.raises(DatasetMissing, match=r"data/big\.bin"):
            await bench.executions.restart(bench.host)
        record = await bench.run("c")
        assert (record["state"], record["death"]) == ("error", "dataset_missing")
        assert "data/big.bin" in str(bench.outputs("c")[-1])
        assert "datasets_dir" in str(bench.outputs("c")[-1])
