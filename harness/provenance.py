"""What decides a run's bits beside its spec: sources, packages, commit, machine and device.

A source is hashed when it is first asked for, and a process asks when it has imported it: what
somebody edits while a sweep lasts is not what its runs were made from.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import resolve_name
from itertools import accumulate
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

# What an outcome can depend on; the versions are written down with every run.
PACKAGES = (
    "torch",
    "numpy",
    "stable-baselines3",
    "sb3-contrib",
    "cma",
    "gymnasium",
    "minigrid",
    "minatar",
    "sacred",
    "box2d",
    "pygame-ce",
    "ale-py",
    "mujoco",
    "opencv-python-headless",
    "pybullet",
)
UNDECIDING = ("pydantic",)  # it holds an agent's hyper-parameters
# The table of all learners: what it says of one, its version, stands in the spec.
REGISTRY = "baselines"
KERNEL = "baselines.lockstep.kernel"  # by which all that the engine lockstep compiles computes
DOOR = "harness"  # `import harness as h` imports when asked: what a script asked decides no run
OURS = ("harness", "baselines")
COMMIT = "commit.json"  # beside this file, where the code was brought to another machine
# Where Python keeps what was installed, and itself.
INSTALLED = {"site-packages", "dist-packages"}
STDLIB = tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib"))
CPU = "cpu"
# What can hold neither parameters nor parts of a learner.
CLOSED = (type, ModuleType, FunctionType, str, bytes, int, float, complex, type(None))
# How many threads a numerical library starts with.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# Which kernels it then picks: prefixes of variables that most machines do not set.
DISPATCH = (
    "ATEN_CPU_CAPABILITY",
    "MKL_",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES",
    "OMP_DYNAMIC",
    "GLIBC_TUNABLES",
    "NVIDIA_TF32_OVERRIDE",
)
SIMD = ("avx", "fma", "amx", "asimd", "sve")  # CPU flags that kernels are picked by, as prefixes


# Sources -----------------------------------------------------------------------------------------


class _Source(NamedTuple):
    digest: str
    imports: frozenset[str]  # dotted names, those in functions too: of `from a import b`, a.b


def sources(modules: Iterable[str]) -> dict[str, str]:
    """A digest of each source that `modules` import, and theirs, by the name of its module.

    What is installed or belongs to Python is no source, save for the harness and its learners
    themselves; what this process has not imported is none either.
    """
    digests: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        # a.b.c is c of the module a.b, or a module, which imports a and a.b.
        for name in accumulate(waiting.pop().split("."), "{}.{}".format):
            if name not in digests and name != DOOR and (source := _own(name)):
                digests[name] = source.digest
                waiting += source.imports
    digests.pop(REGISTRY, None)
    return dict(sorted(digests.items()))


def fingerprint(module: str, *others: str) -> str:
    """A digest of an imported module and of what it imports that is neither installed nor ours.

    What is imported only when it is needed, in a function say, counts like the rest: a digest that
    grew along the way would be another one when it is asked for again.

    :param others: modules that belong to it, imported or not.
    """
    own = own_sources([module, *others])
    file = getattr(sys.modules.get(module), "__file__", None)
    if not own and file:  # an installed package's: of the rest of it, its version speaks
        own = {module: _source(file, "").digest}
        own |= {name: _version(name) for name in _distributions().get(module.split(".")[0], ())}
    return hashlib.sha256(str(sorted(own.items())).encode()).hexdigest()[:16]


def own_sources(modules: Iterable[str]) -> dict[str, str]:
    """Digests of those that are neither installed nor ours, and of what they import of that kind,
    imported by now or not.
    """
    digests: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        for name in accumulate(waiting.pop().split("."), "{}.{}".format):
            if name in digests or name.partition(".")[0] in OURS:
                continue
            if source := _own(name) if name in sys.modules else _to_come(name):
                digests[name] = source.digest
                waiting += source.imports
    return digests


def _to_come(name: str) -> _Source | None:
    """The source of a module that is not imported yet; None: it is none of the user's own."""
    file = _found(name)
    if file is None or _installed(file):
        return None
    package = name if Path(file).stem == "__init__" else name.rpartition(".")[0]
    return _source(file, package)


def _own(name: str) -> _Source | None:
    """The source of a module; None: it was not imported, or is a library's or Python's."""
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if file is None or (name.partition(".")[0] not in OURS and _installed(file)):
        return None
    return _source(file, str(getattr(module, "__package__", "")))


@cache
def _installed(file: str) -> bool:
    """Or Python's; or no file at all: torch 2.13 has modules that claim a relative one."""
    path = Path(file)
    python = any(path.is_relative_to(at) for at in STDLIB)
    return python or not INSTALLED.isdisjoint(path.parts) or not path.is_absolute()


@cache
def _source(file: str, package: str) -> _Source:
    """What cannot be read, or not as Python, ends no run: it may have been trained for hours."""
    try:
        content = Path(file).read_bytes()
    except OSError:
        return _Source("not readable", frozenset())
    try:
        names = frozenset(_imports(content, package))
    except (SyntaxError, ValueError, ImportError):  # a compiled one, or edited meanwhile
        names = frozenset()
    return _Source(hashlib.sha256(content).hexdigest()[:16], names)


def _imports(content: bytes, package: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{base}.{alias.name}" for alias in node.names)


class Changed(NamedTuple):
    """A source that is not here as a record has it."""

    module: str
    was: str  # its digest, or "not recorded"
    now: str  # its digest, or "not here"


def changed(recorded: Mapping[str, Any], needed: Iterable[str]) -> list[Changed]:
    """The sources of a learner and its environment that are not here as a record has them.

    Nothing is imported for this: a record may name anybody's modules.

    :param recorded: its digests, by module. Those of the harness itself count in its environments.
    :param needed: modules that must be among them.
    """
    counted = {n for n in recorded if not n.startswith("harness.") or n.startswith("harness.envs.")}
    every = (
        Changed(name, str(recorded.get(name, "not recorded")), _here(name))
        for name in sorted(counted.union(needed))
    )
    return [each for each in every if each.was != each.now]


def _here(name: str) -> str:
    """The digest of a module's source as it was or would be imported here."""
    imported = sys.modules.get(name)
    if imported is not None:
        file, package = getattr(imported, "__file__", None), str(imported.__package__)
    else:
        file, package = _found(name), name.rpartition(".")[0]
    return _source(file, package).digest if file else "not here"


def _found(name: str) -> str | None:
    """Where the source of a module is that was not imported."""
    if not all(part.isidentifier() for part in name.split(".")):
        return None
    first, *others = accumulate(name.split("."), "{}.{}".format)
    spec = PathFinder.find_spec(first)
    for inner in others:
        spec = spec and PathFinder.find_spec(inner, spec.submodule_search_locations or [])
    return spec.origin if spec and spec.has_location else None


def facts(agent: object, modules: set[str]) -> dict[str, Any]:
    """All of it for a run.

    :param modules: of the harness, the agent and the environment; what the agent was made of
        counts, too.
    """
    every = modules | modules_of(agent)
    digests = sources(every)
    # What another run of this process imported is no fact of this one.
    computes = {
        "torch_arithmetic": any(name.partition(".")[0] == "torch" for name in every),
        "lockstep_arithmetic": KERNEL in digests,
    }
    return {
        "device": ", ".join(sorted(devices(agent))) or CPU,
        "sources": digests,
        "packages": packages(every),
        "machine": {name: fact for name, fact in machine().items() if computes.get(name, True)},
        "git": git(),
    }


def snapshot() -> None:
    """Hash all that this process has imported, and ask for the commit: for its children, too."""
    for name in list(sys.modules):
        _own(name)
    git()


def parts(whole: object) -> Iterator[Any]:
    """`whole`, and all that its attributes and containers hold, each object once."""
    seen: dict[int, Any] = {}  # the objects too: else an address could be given away again
    waiting: list[Any] = [whole]
    while waiting:
        part = waiting.pop()
        if id(part) in seen or isinstance(part, CLOSED):
            continue
        seen[id(part)] = part
        yield part
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list | tuple | set | frozenset):
            waiting += part
        waiting += getattr(part, "__dict__", {}).values()


def modules_of(whole: object) -> set[str]:
    """Those that the classes of all its parts come from, and their bases."""
    classes = {base for part in parts(whole) for base in type(part).__mro__}
    # Box2D's classes, made by SWIG, do not say where they come from.
    return {each.__module__ for each in classes if hasattr(each, "__module__")}


def devices(agent: object) -> set[str]:
    """Where its parameters are, torch's or JAX's: "cpu", "cuda:0"; empty: it has none."""
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    parameter, array = torch.nn.Parameter if torch else (), jax.Array if jax else ()
    found: set[str] = set()
    for part in parts(agent):
        if isinstance(part, parameter):
            found.add(str(part.device))
        elif isinstance(part, array):
            found |= {d.platform if d.platform == CPU else f"cuda:{d.id}" for d in part.devices()}
    return found


# Packages and machine -----------------------------------------------------------------------------


def packages(modules: Iterable[str] = ()) -> dict[str, str]:
    """The versions of the libraries that make the numbers.

    :param modules: of an agent or an environment: the package that brought them counts, too.
    """
    known = {*OURS, *UNDECIDING, *sys.stdlib_module_names}
    known |= {name.replace("-", "_") for name in PACKAGES}
    tops = {name.partition(".")[0] for name in modules} - known
    brought = {
        name.lower().replace("_", "-") for top in tops for name in _distributions().get(top, ())
    }
    return {name: _version(name) for name in (*PACKAGES, *sorted(brought - set(PACKAGES)))}


_distributions = cache(packages_distributions)


@cache
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def machine() -> dict[str, Any]:
    """The facts about this computer and process that can decide bits or speed.

    A process that never imported torch, or what the engine lockstep compiles, says nothing of it.
    """
    cpu = _cpuinfo()
    flags = (cpu.get("flags") or cpu.get("Features", "")).split()
    facts = {
        "cpu": cpu.get("model name") or platform.processor(),
        "cores": os.cpu_count(),
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "libc": " ".join(platform.libc_ver()).strip() or "unknown",
        "simd": " ".join(sorted(f for f in flags if f.startswith(SIMD))) or "unknown",
        "threads": {name: os.environ[name] for name in THREADS if name in os.environ},
        "dispatch": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith(DISPATCH) and name not in THREADS
        },
        "numpy_arithmetic": _numpy_arithmetic(),
    }
    if torch := sys.modules.get("torch"):
        facts["torch_arithmetic"] = _torch_arithmetic(torch)
    if KERNEL in sys.modules:
        facts["lockstep_arithmetic"] = _lockstep_arithmetic()
    return facts


@cache
def _cpuinfo() -> dict[str, str]:
    """What Linux says of the first core; elsewhere nothing."""
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return {}
    lines = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


@cache
def _numpy_arithmetic() -> str:
    """NumPy's BLAS, and the instruction sets beyond its baseline that it found and may use."""
    import numpy as np

    built: Any = np.show_config(mode="dicts")
    blas = built["Build Dependencies"]["blas"]
    simd = " ".join(built.get("SIMD Extensions", {}).get("found", ()))
    return f"{blas['name']} {blas.get('version', '')}, {simd or 'baseline'}"


def _torch_arithmetic(torch: Any) -> str:
    """Torch's BLAS, the kernels that it picked here, its threads, and its GPU when it uses one."""
    built = torch.__config__.show()
    versions = {
        "BLAS": re.search(r"BLAS_INFO=(\w+)", built),
        "MKL": re.search(r"Math Kernel Library Version ([\w.]+)", built),
        "oneDNN": re.search(r"MKL-DNN v([\w.]+)", built),
    }
    parts = [f"{name} {match[1]}" for name, match in versions.items() if match]
    parts += [f"{torch.backends.cpu.get_cpu_capability()} kernels"]
    parts += [f"threads {torch.get_num_threads()}"]
    if torch.cuda.is_initialized():
        parts += [f"CUDA {torch.version.cuda}", f"cuDNN {torch.backends.cudnn.version()}"]
        parts += [torch.cuda.get_device_name()]
    return ", ".join(parts)


@cache
def _lockstep_arithmetic() -> str:
    """The processor that Numba compiles for, and SciPy's BLAS with the kernels that it picked."""
    from llvmlite.binding import get_host_cpu_name
    from threadpoolctl import threadpool_info

    blas = [
        f"{found['internal_api']} {found['version']}, {found.get('architecture', 'its')} kernels"
        for found in threadpool_info()
        if found["user_api"] == "blas"
        and any(part.startswith("scipy") for part in Path(found["filepath"]).parts[:-1])
    ]
    return ", ".join([f"Numba for {get_host_cpu_name()}", *blas])


@cache
def git() -> dict[str, Any] | None:
    """The commit that this code is, and whether it was changed since.

    None where no repository tracks it: one that merely surrounds an installation says nothing.
    """
    file = Path(__file__).resolve()
    if (told := file.with_name(COMMIT)).is_file():
        return dict(json.loads(told.read_text()))
    # Of another repository, where Git itself started this process, as a hook does.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def ask(*words: str) -> str:
        command = ["git", "-C", str(file.parent.parent), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        return done.stdout.strip()

    if not INSTALLED.isdisjoint(file.parts):
        return None
    try:
        ask("ls-files", "--error-unmatch", "--", str(file))
        changed = ask("status", "--porcelain", "--", "harness", "baselines", "configs")
        return {"commit": ask("rev-parse", "HEAD"), "dirty": bool(changed)}
    except (OSError, subprocess.CalledProcessError):
        return None
