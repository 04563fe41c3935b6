"""What bounds labelling many pictures: throughput here, the cost of each step, and a simulation of many nodes.

    python benchmarks/bulk.py throughput MODEL PICTURES       # one process, then 1 and 2 workers, in turn
    python benchmarks/bulk.py costs --out costs.json           # what a picture costs beside its labels
    python benchmarks/bulk.py simulate costs.json --nodes 100 --pictures 10000000 --compute 0.05

``costs`` needs no model: it lists, records and joins small files, whose number may be given. ``simulate`` follows
pictures from worker to worker: reading (bandwidth that all nodes share, ahead of the labels), computing, writing small
files (operations a second of a file system that all nodes share), and the rows that a first process takes, one for each
shard or one for all. It follows some pictures until their pace is steady, and computes the time of all from that pace,
from what is done once, and from the tables at the end. All that it assumes is an option.
"""

from __future__ import annotations

import argparse
import heapq
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pixelwise.inference.labelling.facts import PictureFacts
from pixelwise.inference.labelling.finished import Finished
from pixelwise.inference.labelling.jobs import collect
from pixelwise.inference.labelling.labeller import stamp_of
from pixelwise.inference.labelling.picture_table import PictureRow, table_columns, write_picture_table
from pixelwise.io.masks import write_labels
from pixelwise.io.parquet import read_rows, write_parquet
from pixelwise.types import LabelSpace

PICTURE = bytes.fromhex("89504e470d0a1a0a")
"""How a PNG begins, which is all that is looked at here."""

FOLLOWED = 200_000
"""The pictures that the simulation follows, at most."""


@dataclass(frozen=True)
class Costs:
    """Seconds for one picture.

    Args:
        list: finding it in a folder.
        skip: passing over it in a manifest, because it belongs to another shard.
        restart: seeing that it is finished, when a job is started again.
        record: the row that the first process records.
        row: its row of the table.
        merge: its row of the joined table.
        write: its file of labels, brought to the disk.
    """

    list: float
    skip: float
    restart: float
    record: float
    row: float
    merge: float
    write: float


@contextmanager
def timed(found: dict[str, float], name: str, count: int) -> Iterator[None]:
    started = time.perf_counter()
    yield
    found[name] = (time.perf_counter() - started) / count


def measure_costs(count: int, classes: int) -> Costs:
    space = LabelSpace.of(classes)
    facts = PictureFacts(480, 360, dict.fromkeys(range(classes), 480 * 360 // classes), 20, 0.1, "0/0.png")
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder, "in"), Path(folder, "out")
        out.mkdir()
        for number in range(count):
            path = root / str(number % 100) / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(PICTURE)
        with timed(found, "list", count):
            jobs = collect([str(root)], out).jobs
        manifest = Path(folder, "list.csv")
        manifest.write_text("\n".join(["path", *(str(job.picture) for job in jobs)]))
        with timed(found, "skip", count):
            collect([str(manifest)], out, keep=lambda path: False)
        finished = Finished(out, {}, resume=True)
        stamps = [stamp_of(job) for job in jobs]  # by workers
        with timed(found, "record", count):
            places = [finished.add(stamp, [job.picture], facts) for job, stamp in zip(jobs, stamps, strict=True)]
        with timed(found, "restart", count):
            again = Finished(out, {}, resume=True)
            assert all(again.find(stamp_of(job)) is not None for job in jobs)
        table = out / "pictures-1-of-1.parquet"
        with timed(found, "row", count):
            rows = (PictureRow(job, finished.facts(place)) for job, place in zip(jobs, places, strict=True))
            write_picture_table(table, rows, space)
        columns = table_columns(space)
        with timed(found, "merge", count):
            write_parquet(out / "pictures.parquet", read_rows(table, columns), columns)
        labels = np.random.default_rng(0).integers(0, classes, (6, 5), dtype=np.uint8).repeat(80, 0).repeat(72, 1)
        written = min(count, 200)
        with timed(found, "write", written):
            for number in range(written):
                write_labels(out / f"{number}.png", labels, space)
    return Costs(**found)


@dataclass(frozen=True)
class Farm:
    """Nodes that share a file system.

    Args:
        nodes: how many there are.
        workers: how many each has.
        compute: seconds that a worker computes for a picture.
        megabytes: size of a picture.
        bandwidth: MB a second that all nodes read together.
        operations: operations on small files a second that the file system takes from all nodes together.
        files: files that are written for a picture.
    """

    nodes: int
    workers: int
    compute: float
    megabytes: float
    bandwidth: float
    operations: float
    files: int

    def pace(self, costs: Costs, *, one_record: bool) -> float:
        """Follow pictures through the farm, and give how many are done in a second once the pace is steady.

        Args:
            costs: what a picture costs.
            one_record: whether one process records the rows of all nodes.
        """
        count = self.nodes * self.workers
        follow = min(FOLLOWED, 100 * count)
        storage = files = 0.0  # when each is free again
        records = [0.0] * (1 if one_record else self.nodes)
        read, write = self.megabytes / self.bandwidth, 3 * self.files / self.operations  # create, rename, look
        ready = [0.0] * count  # when the next picture of a worker has been read
        workers = [(self.compute * number / count, number) for number in range(count)]
        heapq.heapify(workers)
        ends = []
        for _ in range(follow):
            free, worker = heapq.heappop(workers)
            begun = max(free, ready[worker])
            storage = max(storage, begun) + read
            ready[worker] = storage
            computed = begun + self.compute + self.files * costs.write
            files = max(files, computed) + write
            record = 0 if one_record else worker // self.workers
            records[record] = max(records[record], files) + costs.record
            ends.append(records[record])
            heapq.heappush(workers, (files, worker))
        half = len(ends) // 2
        ends.sort()
        return half / (ends[-1] - ends[-half - 1])


def simulate(costs: Costs, farm: Farm, pictures: int) -> str:
    alone = farm.nodes * farm.workers / (farm.compute + farm.files * costs.write)
    lines = [
        f"{farm}, {pictures:,} pictures; workers alone would label {alone:,.0f} a second.",
        "",
        "| | listing, h | labelling, h | pictures a second | of the workers' pace | tables, h | after a kill, h |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    ways = (
        ("a shard a node, of a folder", False, True),  # each looks at all files
        ("a shard a node, of a manifest", False, False),  # each looks at its own
        ("one first process", True, False),
    )
    for name, one_record, in_folder in ways:
        pace = farm.pace(costs, one_record=one_record)
        share = pictures if one_record else pictures / farm.nodes
        looks = pictures * (farm.nodes if in_folder else 1) / farm.operations
        listing = pictures * costs.list
        if not (one_record or in_folder):
            listing = share * costs.list + pictures * costs.skip
        tables = share * costs.row + (0 if one_record else pictures * costs.merge)
        hours = (max(listing, looks), pictures / pace, tables, share * costs.restart)
        listed, labelled, joined, restarted = (f"{seconds / 3600:.2f}" for seconds in hours)
        lines.append(f"| {name} | {listed} | {labelled} | {pace:,.0f} | {pace / alone:.0%} | {joined} | {restarted} |")
    bounds = {
        "computing": alone,
        "reading": farm.bandwidth / farm.megabytes,
        "small files": farm.operations / (3 * farm.files),
        "rows of one first process": 1 / costs.record,
        "rows of a shard a node": farm.nodes / costs.record,
    }
    lines += ["", "Pictures a second that each step allows: "]
    lines += [f"- {name}: {pace:,.0f}" for name, pace in sorted(bounds.items(), key=lambda one: one[1])]
    return "\n".join(lines)


def measure_throughput(model: Path, pictures: Path, rounds: int) -> str:
    ways: dict[str, list[str]] = {
        "one process": [],
        "1 worker": ["--engine", "local", "--workers", "1"],
        "2 workers": ["--engine", "local", "--workers", "2"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, more in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, "-m", "pixelwise", "predict", str(model), str(pictures), "--out", folder]
                started = time.perf_counter()
                subprocess.run([*command, "--save", "labels,pictures", *more], check=True, stdout=subprocess.DEVNULL)
                seconds[name].append(time.perf_counter() - started)
    first = min(seconds["one process"])
    rows = [f"| {name} | {min(taken):.1f} | {first / min(taken):.2f} |" for name, taken in seconds.items()]
    return "\n".join(["| | seconds, start included | times one process |", "| --- | --- | --- |", *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    throughput = verbs.add_parser("throughput")
    throughput.add_argument("model", type=Path)
    throughput.add_argument("pictures", type=Path)
    throughput.add_argument("--rounds", type=int, default=3, help="the best of them counts")
    costs = verbs.add_parser("costs")
    costs.add_argument("--count", type=int, default=20_000)
    costs.add_argument("--classes", type=int, default=11)
    costs.add_argument("--out", type=Path, required=True)
    simulation = verbs.add_parser("simulate")
    simulation.add_argument("costs", type=Path)
    simulation.add_argument("--pictures", type=int, default=10_000_000)
    simulation.add_argument("--nodes", type=int, default=100)
    simulation.add_argument("--workers", type=int, default=8, help="of each node")
    simulation.add_argument("--compute", type=float, default=0.05, help="seconds for a picture")
    simulation.add_argument("--megabytes", type=float, default=0.2, help="of a picture")
    simulation.add_argument("--bandwidth", type=float, default=5000.0, help="MB a second that all nodes share")
    simulation.add_argument("--operations", type=float, default=20_000.0, help="on small files a second, shared")
    simulation.add_argument("--files", type=int, default=1, help="written for a picture")
    given = vars(parser.parse_args())
    verb = given.pop("verb")
    if verb == "throughput":
        print(measure_throughput(**given))
    elif verb == "costs":
        measured = measure_costs(given["count"], given["classes"])
        given["out"].write_text(json.dumps(asdict(measured), indent=2) + "\n")
        for name, taken in asdict(measured).items():
            print(f"{name}: {1e6 * taken:,.0f} microseconds")
    else:
        known = Costs(**json.loads(given.pop("costs").read_text()))
        pictures = given.pop("pictures")
        print(simulate(known, Farm(**given), pictures))


if __name__ == "__main__":
    main()
