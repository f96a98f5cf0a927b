"""Does a bench that is killed at any moment end with the same tables, and how much does it compute again?

Run as `python benchmarks/killed_runs.py --json killed.json`; with `--data phantom:train=64,test=32` it takes minutes.
One undisturbed bench is the measure. Every other run is stopped by SIGKILL up to `--kills` times, each at a moment
drawn evenly over the undisturbed time, started again, and in the end let finish. Its tables must be the same byte for
byte. What was computed again is what it stored over all its attempts beyond what the undisturbed run stored, in
evaluations and epochs of trainings. What a kill cut off before it was stored, at most an epoch or a part of an
evaluation, shows in the seconds alone. With `--json` a second call goes on where the first one was stopped.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mri_robust.models.weights import read_notes
from mri_robust.report.results import stored
from mri_robust.study.results_folder import ResultsFolder

Progress = tuple[dict[str, int], dict[str, list[Any]]]
"""Evaluation -> when its file was written; model -> the record of its training so far."""
LINE = "{:>4}  {:<24} {:>6} {:>7} {:>9} {:>9}  {}"


def main() -> None:
    options = _options()
    work, found = options.work or Path(tempfile.mkdtemp(prefix="killed-runs-")), _load(options)
    if "undisturbed" not in found:
        found["undisturbed"] = _run(options, work / "undisturbed", [])
        shutil.rmtree(work / "undisturbed")
        _save(options, found)
    whole = found["undisturbed"]
    print(LINE.format("run", "killed after seconds", "parts", "epochs", "again", "seconds", "tables"))
    _print("–", whole, whole)
    for number in range(1, options.runs + 1):
        if str(number) not in found["runs"]:
            draw = random.Random(f"{options.seed} {number}")
            moments = [round(draw.uniform(0, whole["seconds"]), 2) for _ in range(options.kills)]
            run = _run(options, work / str(number), moments)
            if run["tables"] == whole["tables"]:
                shutil.rmtree(work / str(number))
            found["runs"][str(number)] = run
            _save(options, found)
        _print(str(number), found["runs"][str(number)], whole)
    runs = [found["runs"][str(number)] for number in range(1, options.runs + 1)]
    different = [each for each in runs if each["tables"] != whole["tables"]]
    again = sum(_again(each, whole) for each in runs)
    kills = sum(len(each["killed"]) for each in runs)
    outcome = f"{len(different)} with other tables, {again} evaluations and epochs computed again"
    print(f"{len(runs)} runs, {kills} kills: {outcome}")
    if different:
        raise SystemExit(f"their folders are kept in {work}")


def _run(options: argparse.Namespace, out: Path, moments: list[float]) -> dict[str, Any]:
    """A bench into `out`, killed at these moments (seconds after its start) and then let finish."""
    shutil.rmtree(out, ignore_errors=True)
    killed, evaluations, epochs, seconds = [], 0, 0, 0.0
    for moment in [*moments, None]:
        before, began = _progress(out), time.perf_counter()
        ended = _attempt(options, out, moment)
        seconds += time.perf_counter() - began
        after = _progress(out)
        evaluations += sum(written != before[0].get(name) for name, written in after[0].items())
        epochs += sum(_new_epochs(before[1].get(name, []), record) for name, record in after[1].items())
        if ended:
            break
        killed.append(moment)
    tables = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.glob("*.csv"))}
    return {
        "killed": killed,
        "evaluations": evaluations,
        "epochs": epochs,
        "seconds": round(seconds, 1),
        "tables": tables,
    }


def _attempt(options: argparse.Namespace, out: Path, moment: float | None) -> bool:
    """Start the bench; False when it was killed, at `moment`, before its end."""
    command = [Path(sys.executable).with_name("mri-robust"), "bench", *options.experiments, "--data", options.data]
    environment = {**os.environ, "MRI_ROBUST_CACHE": str(out / "cache")}
    out.mkdir(parents=True, exist_ok=True)
    with (out / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--out", out], env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            code = process.wait(moment)
        except subprocess.TimeoutExpired:
            return False
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if code:
        raise SystemExit(f"the bench ended with code {code}:\n{(out / 'log').read_text(errors='replace')[-2000:]}")
    return True


def _progress(out: Path) -> Progress:
    if not (out / "evaluations").is_dir():
        return {}, {}
    written: dict[str, int] = {}
    records: dict[str, list[Any]] = {}
    for each in stored(ResultsFolder(out)):
        path = out / each["file"]
        if path.suffix == ".json" and each["state"] == "ok":
            written[path.stem] = path.stat().st_mtime_ns
        elif path.suffix == ".safetensors" and each["state"] in ("ok", "partial"):
            name, notes = path.name.split(".")[0], read_notes(path)
            record = notes["history"] if "history" in notes else dict(notes["training"]["mapping"])["history"]
            # Between the end of a training and the removal of its partial file there are both: the longer one counts.
            records[name] = max(records.get(name, []), record, key=len)
    return written, records


def _new_epochs(before: list[Any], after: list[Any]) -> int:
    """Epochs trained since: a training that went on keeps the record of what was done, its seconds included."""
    return len(after) - len(before) if after[: len(before)] == before else len(after)


def _again(run: dict[str, Any], whole: dict[str, Any]) -> int:
    return sum(run[what] - whole[what] for what in ("evaluations", "epochs"))


def _print(name: str, run: dict[str, Any], whole: dict[str, Any]) -> None:
    names = sorted(run["tables"].keys() | whole["tables"].keys())
    other = [each for each in names if run["tables"].get(each) != whole["tables"].get(each)]
    verdict = f"OTHER: {', '.join(other)}" if other else "identical"
    moments = ", ".join(f"{moment:.1f}" for moment in run["killed"]) or "never"
    print(
        LINE.format(
            name, moments, run["evaluations"], run["epochs"], _again(run, whole), f"{run['seconds']:.1f}", verdict
        ),
        flush=True,
    )


def _load(options: argparse.Namespace) -> dict[str, Any]:
    """What an earlier call found with the same options."""
    asked = {"experiments": options.experiments, "data": options.data, "kills": options.kills, "seed": options.seed}
    if options.json and options.json.exists():
        found: dict[str, Any] = json.loads(options.json.read_text())
        if found["asked"] != asked:
            raise SystemExit(f"{options.json} is of other options ({found['asked']}): give another --json")
        return found
    return {"asked": asked, "runs": {}}


def _save(options: argparse.Namespace, found: dict[str, Any]) -> None:
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--kills", type=int, default=3, help="most kills in a run")
    parser.add_argument("--experiments", nargs="+", default=["fgsm", "noisy-loss"])
    parser.add_argument("--data", default="phantom", help="phantom:train=64,test=32 is quick")
    parser.add_argument("--seed", type=int, default=0, help="decides the moments")
    parser.add_argument("--work", type=Path, help="where the runs lie, which are removed when they are equal")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
