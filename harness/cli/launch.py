"""`harness launch`: files that start a sweep on a cluster or in a cloud."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import option, verb

if TYPE_CHECKING:
    from harness.launch import Plan, Written
    from harness.spec import ResolvedSweep

DEFAULT_SHARDS = 8
# Targets that take a sweep as a whole, and what to do instead of shards.
WHOLE = {
    "gcp": "starts one machine: batch and k8s start many",
    "ray": "hands out the runs itself: --parallel says to how many machines",
}
ONLY = {"volume": "k8s", "pool": "k8s", "vm_image": "ray"}  # options that one target knows


def launch(
    target: Annotated[str, typer.Argument(help="Where: gcp, k8s, batch, ray or slurm.")],
    file: option.SweepPath,
    shards: Annotated[
        int | None,
        typer.Option(min=1, help="Parts of the sweep. Default: 8, at most its runs."),
    ] = None,
    parallel: Annotated[
        int | None,
        typer.Option(min=1, help="Shards at once. Default: all. For ray: machines. Default: 8."),
    ] = None,
    cores: Annotated[
        int | None,
        typer.Option(min=1, help="Cores of each machine. Default: 4, or what comes with the GPU."),
    ] = None,
    gpu: Annotated[str | None, typer.Option(help="GPU of each machine: l4, t4 or a100.")] = None,
    spot: Annotated[
        bool, typer.Option("--spot", help="Use spot machines: cheaper, and they may be taken away.")
    ] = False,
    hours: Annotated[int, typer.Option(min=1, help="Hours after which a shard is stopped.")] = 12,
    idle_minutes: Annotated[
        int,
        typer.Option(
            min=1, help="For gcp and ray: minutes after which an idle machine is deleted."
        ),
    ] = 10,
    project: Annotated[str | None, typer.Option(help="Your project on Google Cloud.")] = None,
    region: Annotated[str, typer.Option(help="Region of the machines.")] = "europe-west4",
    bucket: Annotated[str | None, typer.Option(help="Your bucket, without gs://.")] = None,
    image: Annotated[str | None, typer.Option(help="The Docker image, with its tag.")] = None,
    vm_image: Annotated[
        str | None,
        typer.Option(help="For ray: the image of its machines, with Docker and the GPU's driver."),
    ] = None,
    volume: Annotated[
        str | None, typer.Option(help="For k8s: a volume claim, instead of the bucket.")
    ] = None,
    pool: Annotated[str | None, typer.Option(help="For k8s: the node pool.")] = None,
    set_: option.Settings = None,
    engine: option.Engine = None,
    anyway: option.Anyway = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the files. Default: launch/SWEEP.")
    ] = None,
) -> None:
    """Write the files that start a sweep elsewhere, and print the commands. Starts nothing."""
    with verb.users_errors("Nothing was started."):
        from harness import launch as launching
        from harness.config.strict import suggest
        from harness.sweep.expand import expand

        if target not in launching.TARGETS:
            hint = suggest(target, launching.TARGETS)
            raise verb.user_error("launch", f"there is no target '{target}'.{hint}")
        if gpu is not None and gpu not in launching.GPUS:
            raise verb.user_error("--gpu", f"unknown '{gpu}'.{suggest(gpu, launching.GPUS)}")
        path = verb.find_file(file, "sweep")
        chosen, layers = verb.engine(engine), verb.overrides(set_)
        sweep = expand(path, layers, anyway, engine=chosen).sweep
        check_device(sweep, gpu)
        name, own = travels(path)
        runs = len({run.key for run in sweep.made})
        given = {
            "project": project, "bucket": bucket, "image": image, "vm_image": vm_image,
            "volume": volume, "pool": pool,
        }  # fmt: skip
        for key, of in ONLY.items():
            if given[key] is not None and target != of:
                raise verb.user_error(flag(key), f"it is for {of} only, not for {target}")
        facts: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        words = [word for text in set_ or () for word in ("--set", text)]
        words += ["--engine", engine] if engine else []
        words += ["--anyway"] if anyway else []
        if target in WHOLE and (shards or 1) > 1:
            raise verb.user_error("--shards", f"{target} {WHOLE[target]}")
        count = 1 if target in WHOLE else shards or min(DEFAULT_SHARDS, runs)
        machines = min(parallel or DEFAULT_SHARDS, runs) if target == "ray" else count
        if count > runs:
            raise verb.user_error("--shards", f"{count:,} are more than the {runs:,} runs")
        facts |= {
            "name": sweep.name, "file": name, "study": own is not None, "options": words,
            "runs": runs, "shards": count, "parallel": min(parallel or machines, machines),
            "cores": cores_of(cores, gpu), "gpu": gpu, "spot": spot, "hours": hours,
            "idle_minutes": idle_minutes, "region": region,
        }  # fmt: skip
        plan = parsed(facts)
        folder = Path("launch") / sweep.name if out is None else out
        show(plan, launching.write(target, plan, own, folder), folder)


def check_device(sweep: ResolvedSweep, gpu: str | None) -> None:
    """:raises UserError: if a GPU would be paid for and not used, or is needed and not there."""
    on_gpu = [run for run in sweep.made if run.engine.device != "cpu"]
    if gpu and not on_gpu:
        message = (
            f"no run of {sweep.name} learns on a GPU, and it would be paid for: leave it out, or "
            'add --engine "{device: cuda}"'
        )
        raise verb.user_error(f"--gpu {gpu}", message)
    if on_gpu and not gpu:
        message = f"{len(on_gpu)} runs learn on {on_gpu[0].engine.device}: add --gpu, such as l4"
        raise verb.user_error(sweep.name, message)


def cores_of(cores: int | None, gpu: str | None) -> int:
    """Of a machine: those that its type has.

    :raises UserError: if there is no such type.
    """
    from harness.launch.plan import CORES, GPUS

    if gpu is None:
        if cores is not None and cores not in CORES:
            known = ", ".join(map(str, CORES))
            raise verb.user_error("--cores", f"there are machines with {known}, not {cores}")
        return cores or 4
    if cores is not None and cores != GPUS[gpu].cores:
        message = f"the machine with one {gpu} has {GPUS[gpu].cores}: leave it out"
        raise verb.user_error("--cores", message)
    return GPUS[gpu].cores


def travels(path: Path) -> tuple[str, Path | None]:
    """What a sweep's file is called on the machine, and the folder that travels there; None: it
    ships with the harness, which is in the image.
    """
    from harness.config.shipped import shipped

    if path.resolve().parent == shipped("ablations").resolve():
        return path.stem, None
    return path.name, path.resolve().parent


def parsed(facts: dict[str, Any]) -> Plan:
    """:raises UserError: with all that is wrong with the options, a line each."""
    from harness.config.strict import Problem, UserError, validate
    from harness.launch import Plan

    plan, wrong = validate(facts, Plan)
    if plan is None:
        raise UserError(Problem(flag(".".join(map(str, at))), None, "", why) for at, why in wrong)
    return plan


def flag(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def show(plan: Plan, written: Written, folder: Path) -> None:
    """What was written, what is still to be filled in, and the commands."""
    from harness.config.name import counted

    shown = verb.console()

    def line(text: str) -> None:
        shown.print(text, markup=False, soft_wrap=True)

    for path in written.files:
        line(f"written: {path}")
    of = "1 machine" if plan.parallel == 1 else f"{plan.parallel} machines at once"
    shards = counted(plan.shards, "shard")
    line(f"{counted(plan.runs)} in {shards} on {of}, each stopped after {plan.hours} h")
    for mark, given_by in written.placeholders.items():
        line(f"still to be filled in: {mark} ({given_by})")
    line(f"\nnothing was started. From {folder}{os.sep}:")
    for what, commands in written.commands.items():
        for i, command in enumerate(commands):
            line(f"{what if i == 0 else '':6}  {command}")
