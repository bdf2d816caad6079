"""An archive of a sweep holds all of it, is the same bytes each time, and is unpacked or named."""

from __future__ import annotations

import io
import shutil
import stat
import zipfile

import fake_report
import fake_store
import pytest
from command import typed

from harness.config.strict import UserError
from harness.report import apart
from harness.store import archive, files, run_files
from harness.store.bundle import pack, unpack
from harness.store.reader import Store

SWEEP = fake_store.sweep(("ppo", "rnd"), ("DeepSea-20",), seeds=6, claims=(fake_report.CLAIM,))
RUN = SWEEP.runs[0]
LEARNED = b"what it learned"
OWN = {"my.yaml": b"name: fake\n", "mine/agent.py": b"class Agent: ...\n"}


def write_run(store, run):
    """A finished run that learned something."""
    model = store.folder(run) / "model"
    with pytest.MonkeyPatch.context() as patch:
        finish = fake_store.Record.finish

        def learned(record, result):
            model.mkdir()
            (model / "policy.npz").write_bytes(LEARNED)
            finish(record, result)

        patch.setattr(fake_store.Record, "finish", learned)
        fake_store.write_run(store, run)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Of a sweep with its report, as its author has it."""
    made = Store(tmp_path_factory.mktemp("author") / "results")
    fake_store.write_sweep(made, SWEEP, finish=False)
    for run in SWEEP.runs:
        write_run(made, run)
    record = made.root / "sacred" / f"{RUN.key}-abc123"
    record.mkdir(parents=True)
    (record / "run.json").write_text("{}")
    fake_report.write_report(made, SWEEP)
    return made


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    for name, content in OWN.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return {name: folder / name for name in OWN}


@pytest.fixture(scope="module")
def packed(store, study, tmp_path_factory):
    path = tmp_path_factory.mktemp("packed") / "fake.zip"
    pack(SWEEP, store, study, False, path)
    return path


def opened(path):
    """What an archive holds, by name."""
    with zipfile.ZipFile(path) as of:
        return {name: of.read(name) for name in of.namelist()}


# What is packed -----------------------------------------------------------------------------------


def test_the_same_store_gives_the_same_bytes_wherever_it_lies(store, study, packed, tmp_path):
    moved = shutil.copytree(store.root, tmp_path / "elsewhere", copy_function=shutil.copy)

    pack(SWEEP, Store(moved), study, False, tmp_path / "again.zip")

    assert (tmp_path / "again.zip").read_bytes() == packed.read_bytes()


def test_an_archive_holds_report_records_versions_and_the_authors_files(packed):
    inside = opened(packed)

    assert {f"study/{name}": content for name, content in OWN.items()}.items() <= inside.items()
    assert b"torch==2.13.0\n" in inside["requirements.txt"]
    assert "results/sweeps/fake/report/report.md" in inside
    assert f"results/sacred/{RUN.key}-abc123/run.json" in inside
    assert f"results/runs/ppo/DeepSea-20/{RUN.key}/evals.jsonl" in inside
    facts = files.parse(inside["bundle.json"])
    assert facts["sources"] == {name: [each] for name, each in fake_store.SOURCES.items()}
    assert facts["commits"] == ["0123abc"]


@pytest.mark.parametrize("weights", [False, True])
def test_what_runs_learned_is_taken_along_on_request_only(store, tmp_path, weights):
    pack(SWEEP, store, {}, weights, tmp_path / "fake.zip")

    inside = unpack(tmp_path / "fake.zip", tmp_path / "inside")

    there = Store(inside.results)
    learned = there.folder(RUN) / "model" / "policy.npz"
    assert learned.exists() == weights
    assert run_files.left_out(there.folder(RUN)) != weights
    assert there.result(RUN) == store.result(RUN)


def test_a_file_that_was_left_out_is_not_one_that_was_lost(store, packed, tmp_path):
    there = Store(unpack(packed, tmp_path / "inside").results)
    (there.folder(RUN) / "left_out.json").unlink()

    assert there.result(RUN) is None


def test_an_archive_is_merged_like_any_results_folder(store, packed, tmp_path):
    said = typed("merge", str(packed), "--results", "theirs", cwd=tmp_path)

    there = Store(tmp_path / "theirs")
    assert "12 brought home" in said
    assert [there.result(run) for run in SWEEP.runs] == [store.result(run) for run in SWEEP.runs]
    assert not list(there.root.rglob("agent.py"))


def test_a_run_that_is_damaged_is_not_packed(store, tmp_path):
    copy = Store(shutil.copytree(store.root, tmp_path / "copy"))
    evals = copy.folder(RUN) / "evals.jsonl"
    evals.write_bytes(evals.read_bytes().replace(b"1", b"2", 1))

    with pytest.raises(UserError, match=r"evals.jsonl: it was altered after the run ended"):
        pack(SWEEP, copy, {}, False, tmp_path / "fake.zip")

    assert not (tmp_path / "fake.zip").exists()


def test_a_sweep_whose_file_is_gone_is_packed_if_no_module_of_the_authors_made_it(store, tmp_path):
    said = typed("bundle", "fake", "--results", str(store.root), cwd=tmp_path)

    assert "12 of 12 runs, 0 files of your own" in said
    assert unpack(tmp_path / "fake.zip", tmp_path / "inside").study is None


def test_a_module_of_the_authors_that_is_in_no_study_is_named(store, tmp_path):
    copy = Store(tmp_path / "copy")
    fake_store.write_sweep(copy, SWEEP, finish=False)
    fake_store.write_run(copy, RUN, result={"sources": {**fake_store.SOURCES, "mine": "b" * 16}})

    said = typed("bundle", "fake", "--results", "copy", cwd=tmp_path, code=2)

    assert "mine: the runs were made from this module, and it is not in any study: --study" in said


def test_a_report_that_the_records_do_not_give_is_not_packed(store, tmp_path):
    copy = Store(shutil.copytree(store.root, tmp_path / "copy"))
    numbers(copy, "scores.csv", lambda text: text.replace("0.9", "0.8", 1))

    said = typed("bundle", "fake", "--results", "copy", cwd=tmp_path, code=2)

    assert "it is not what the records give (scores.csv): `harness report fake` writes it" in said
    assert not (tmp_path / "fake.zip").exists()


# What is not unpacked -----------------------------------------------------------------------------


def rewritten(path, change, seal=True):
    """The archive with other entries; its list is made to agree if `seal`.

    :param change: is given the entries, by name.
    """
    inside = opened(path)
    change(inside)
    listed = files.parse(inside.pop("bundle.json"))
    del listed["sha256"]
    del listed["files"]
    if seal:
        archive.pack(inside, {k: v for k, v in listed.items() if k != "format"}, path)
        return
    before = opened(path)["bundle.json"]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("bundle.json", inside.get("list", before))
        for name, content in inside.items():
            if name != "list":
                made.writestr(name, content)


def listing(path, change):
    """Another list, with its seal."""
    facts = files.parse(opened(path)["bundle.json"])
    del facts["sha256"]
    change(facts)
    rewritten(path, lambda inside: inside.update(list=files.spelled(facts)), seal=False)


def entry(path, name, content=b"", mode=0):
    about = zipfile.ZipInfo(name)
    about.external_attr = mode << 16
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as made:
        made.writestr(about, content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-200])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def named(path, name):
    """A list that names such a file, which is there."""

    def change(facts):
        facts["files"][name] = {"sha256": "0" * 64, "size": 3}

    listing(path, change)
    entry(path, name, b"abc")


def bomb(path):
    content = bytes(2**26)
    rewritten(path, lambda inside: inside.update(bomb=content))


README = "README.txt"
FLAWS = {
    "cut short": (cut, r"it is no zip, or is cut short or damaged"),
    "a bit flipped": (flip, r"damaged|altered|no zip"),
    "no zip": (lambda path: path.write_bytes(b"PK?"), r"it is no zip"),
    "another zip": (
        lambda path: rewritten(path, lambda i: i.update(list=b"{}"), seal=False),
        r"its bundle.json is none of `harness bundle`",
    ),
    "without a list": (
        lambda path: path.write_bytes(empty()), r"no archive of `harness bundle`: it has no bundle",
    ),
    "a file altered": (
        lambda path: rewritten(path, lambda i: i.update({README: b"x" * len(i[README])}), False),
        r"README.txt in it was altered after the archive was made",
    ),
    "a file grown": (
        lambda path: rewritten(path, lambda i: i.update({README: i[README] + b"x"}), False),
        r"README.txt in it was altered",
    ),
    "a file gone": (
        lambda path: rewritten(path, lambda i: i.pop(README), False), r"it lacks README.txt",
    ),
    "a file more": (lambda path: entry(path, "more.py", b"x"), r"'more.py', which its list does"),
    "a file twice": (lambda path: entry(path, README, b"x"), r"'README.txt', which its list does"),
    "a list altered": (
        lambda path: rewritten(
            path,
            lambda i: i.update(list=opened(path)["bundle.json"].replace(b"0123abc", b"0123abd")),
            False,
        ),
        r"its bundle.json was altered",
    ),
    "of another version": (
        lambda path: listing(path, lambda facts: facts.update(format=2)),
        r"of version 2 of such archives, and this harness reads version 1: install",
    ),
    "a link": (
        lambda path: entry(path, "study/link", b"/etc/passwd", stat.S_IFLNK | 0o777), r"study/link",
    ),
    "up and out": (lambda path: named(path, "../out.txt"), r"'../out.txt', which leads elsewhere"),
    "from the root": (lambda path: named(path, "/tmp/out.txt"), r"which leads elsewhere"),
    "with a drive": (lambda path: named(path, "C:\\out.txt"), r"which leads elsewhere"),
    "a bomb": (bomb, r"would unpack to [\d,]+ bytes, too many for an archive of its size"),
}  # fmt: skip


def empty():
    made = io.BytesIO()
    zipfile.ZipFile(made, "w").close()
    return made.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("flaw", FLAWS)
def test_an_archive_that_is_cut_or_altered_is_named_in_one_line(packed, tmp_path, flaw):
    spoil, message = FLAWS[flaw]
    path = tmp_path / "theirs.zip"
    shutil.copy(packed, path)
    spoil(path)

    with pytest.raises(UserError, match=message) as caught:
        unpack(path, tmp_path / "inside")

    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).startswith(str(path))
    assert {each.name for each in tmp_path.iterdir()} <= {"theirs.zip", "inside"}


def test_nothing_of_an_archive_that_was_altered_comes_home(packed, tmp_path):
    path = tmp_path / "theirs.zip"
    shutil.copy(packed, path)
    FLAWS["a file altered"][0](path)

    typed("merge", str(path), "--results", "theirs", cwd=tmp_path, code=2)

    assert [each.name for each in tmp_path.iterdir()] == ["theirs.zip"]


# The report and the records -----------------------------------------------------------------------


def numbers(store, name, change):
    path = store.sweep_folder("fake") / "report" / name
    text = path.read_text()
    assert change(text) != text
    path.write_text(change(text))


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("scores.csv", lambda text: text.replace("0.9", "0.8", 1), "scores.csv"),
        ("runs.csv", lambda text: text.replace("6", "7", 1), "runs.csv"),
        ("report.md", lambda text: text.replace("0.98 [0.97", "0.99 [0.97"), "claims"),
    ],
)
def test_a_number_of_a_report_that_the_records_do_not_give_is_found(
    store, tmp_path, name, change, told
):
    copy = Store(shutil.copytree(store.root, tmp_path / "copy"))
    report = copy.sweep_folder("fake") / "report"
    assert not apart(SWEEP, copy, report)

    numbers(copy, name, change)

    assert told in apart(SWEEP, copy, report)
