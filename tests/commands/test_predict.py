"""`tinytensor predict`: every input, every output, and what is refused."""

import csv
import gzip
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

import tinytensor as tt
from tests.datasets.idx_files import idx_bytes
from tinytensor import cli, samples
from tinytensor.commands import answers, predict

IMAGES, LABELS = tt.datasets.mnist("sample")
IMAGES, LABELS = IMAGES[:25], LABELS[:25]
EXPECTED = tt.models.mnist_mlp().predict(IMAGES)


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(capsys, *arguments, status=0):
    assert cli.main(["predict", *arguments]) == status
    return capsys.readouterr()


def save_csv(name, header=None, labels=False, delimiter=","):
    rows = IMAGES.reshape(25, 784).tolist()
    if labels:
        rows = [[f'"a{delimiter}b"', *row] for row in rows]
    lines = [delimiter.join(map(str, row)) for row in rows]
    with open(name, "w") as file:
        file.write("\n".join([header, *lines] if header else lines))


def save_parquet(name):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {f"p{i}": IMAGES.reshape(25, 784)[:, i] for i in range(784)}
    parquet.write_table(arrow.table({"label": [str(n) for n in LABELS], **columns}), name)


def save_images(folder):
    image = pytest.importorskip("PIL.Image")
    for i, each in enumerate(IMAGES):
        image.fromarray(each).save(folder / f"{i:02}.png")
    (folder / "notes.txt").write_text("no image")


NAMES = ",".join(f"p{i}" for i in range(784))
MAKE = {
    "x.npy": lambda path: np.save(path, IMAGES),
    "x.npz": lambda path: np.savez_compressed(path, x=IMAGES),
    "fortran.npz": lambda path: np.savez(path, x=np.asfortranarray(IMAGES)),
    "x.csv": save_csv,
    "x.tsv": lambda path: save_csv(path, NAMES.replace(",", "\t"), delimiter="\t"),
    "x.parquet": save_parquet,
    "x-idx3-ubyte": lambda path: Path(path).write_bytes(idx_bytes(IMAGES)),
    "x-idx3-ubyte.gz": lambda path: Path(path).write_bytes(gzip.compress(idx_bytes(IMAGES))),
}


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("batch", ["7", "1000"])
def test_every_input_gives_what_the_model_computes(capsys, name, batch):
    MAKE[name](name)
    drop = ["--drop", "label"] if name == "x.parquet" else []
    out, err = run(capsys, "mnist_mlp", name, "-o", "y.npy", "--batch-size", batch, *drop)
    assert out.startswith("25 samples of 1 inputs → y.npy in ")
    assert err == ""
    assert np.array_equal(np.load("y.npy"), EXPECTED)


def test_a_folder_of_images(capsys, tmp_path):
    (tmp_path / "scans").mkdir()
    save_images(tmp_path / "scans")
    out, _ = run(capsys, "mnist_mlp", "scans", "--batch-size", "10")
    lines = out.splitlines()
    assert [line.split()[:3] for line in lines[:2]] == [["scans", "00.png", "0"], ["scans", "01.png", "1"]]
    assert [int(line.split()[2]) for line in lines] == EXPECTED.argmax(axis=1).tolist()


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_scan_of_dark_ink_off_the_centre(capsys, suffix):
    image = pytest.importorskip("PIL.Image")
    paper = np.full((300, 200), 255, np.uint8)
    paper[20:132, 70:182] = 255 - IMAGES[3].repeat(4, axis=0).repeat(4, axis=1)
    image.fromarray(paper).convert("RGB").save(f"scan.{suffix}")
    out, _ = run(capsys, "mnist_mlp", f"scan.{suffix}", "--invert", "--centre", "--json")
    found = json.loads(out)
    assert (found["class"], found["input"]) == (3, f"scan.{suffix}")
    assert found["probability"] > 0.5


def test_csv_columns_by_name(capsys):
    save_csv("x.csv", f"name,{NAMES}", labels=True)
    run(capsys, "mnist_mlp", "x.csv", "--drop", "name", "-o", "a.npy")
    run(capsys, "mnist_mlp", "x.csv", "--columns", NAMES, "-o", "b.npy")
    assert np.array_equal(np.load("a.npy"), EXPECTED)
    assert np.array_equal(np.load("b.npy"), EXPECTED)


@pytest.mark.parametrize(("delimiter", "quoted"), [(";", "';'"), ("|", "'|'"), ("\t", r"$'\t'")])
def test_another_delimiter_is_named(capsys, delimiter, quoted):
    rows = IMAGES[:3].reshape(3, 784)
    Path("x.csv").write_text("\n".join(delimiter.join(map(str, row)) for row in rows))
    assert f"; --delimiter {quoted} separates" in run(capsys, "mnist_mlp", "x.csv", status=2).err
    run(capsys, "mnist_mlp", "x.csv", "--delimiter", delimiter)


def test_outputs_hold_the_class_and_its_probability(capsys):
    np.save("x.npy", IMAGES)
    for name in ("y.csv", "y.jsonl"):
        run(capsys, "mnist_mlp", "x.npy", "-o", name, "--batch-size", "10")
    with open("y.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    with open("y.jsonl") as file:
        lines = [json.loads(line) for line in file]
    assert [int(row["class"]) for row in rows] == EXPECTED.argmax(axis=1).tolist()
    assert [line["row"] for line in lines] == [str(i) for i in range(25)]
    for row, line, best in zip(rows, lines, EXPECTED.max(axis=1), strict=True):
        assert float(row["probability"]) == line["probability"] == float(f"{best:.6g}")


def test_parquet_out(capsys):
    parquet = pytest.importorskip("pyarrow.parquet")
    np.save("x.npy", IMAGES)
    out, _ = run(capsys, "mnist_mlp", "x.npy", "x.npy", "-o", "y.parquet", "--batch-size", "10", "--json")
    assert json.loads(out)["samples"] == 50
    table = parquet.read_table("y.parquet").to_pydict()
    assert table["class"] == 2 * EXPECTED.argmax(axis=1).tolist()


def test_nothing_is_overwritten_unasked(capsys):
    np.save("x.npy", IMAGES)
    with open("y.csv", "w") as file:
        file.write("mine")
    _, err = run(capsys, "mnist_mlp", "x.npy", "-o", "y.csv", status=2)
    assert "y.csv: exists already; --force replaces it" in err
    with open("y.csv") as file:
        assert file.read() == "mine"
    run(capsys, "mnist_mlp", "x.npy", "-o", "y.csv", "--force")
    with open("y.csv") as file:
        assert file.readline() == "input,row,class,probability\n"


def test_no_half_file_is_left(capsys, tmp_path):
    save_csv("x.csv")
    with open("x.csv", "a") as file:
        file.write("\n1,2,oops")
    _, err = run(capsys, "mnist_mlp", "x.csv", "-o", "y.csv", "--batch-size", "5", status=2)
    assert "x.csv: line 26: expected 784 columns, got 3" in err
    assert [each.name for each in tmp_path.iterdir()] == ["x.csv"]


def test_pixels_that_were_divided_already_are_noticed(capsys):
    np.save("x.npy", IMAGES.astype(np.float32) / 255)
    _, err = run(capsys, "mnist_mlp", "x.npy")
    assert "were they divided by 255 already?" in err
    assert err.count("\n") == 1


def test_a_model_without_rescale_gets_pixels_from_0_to_1(capsys):
    tt.Sequential(tt.Linear(784, 10, seed=0)).save("m.npz")
    np.save("x.npy", IMAGES)
    run(capsys, "m.npz", "x.npy", "-o", "y.npy")
    flat = IMAGES.reshape(25, 784).astype(np.float32) / np.float32(255)
    assert np.array_equal(np.load("y.npy"), tt.load("m.npz").predict(flat))
    assert '"score"' in run(capsys, "m.npz", "x.npy", "--json").out


def test_one_image_and_one_output(capsys):
    np.save("x.npy", IMAGES[0])
    assert run(capsys, "mnist_mlp", "x.npy").out.startswith("x.npy  0  ")
    tt.Sequential(tt.Linear(3, 1, seed=0)).save("m.npz")
    np.save("z.npy", np.ones((2, 3), np.float32))
    assert [json.loads(line).keys() for line in run(capsys, "m.npz", "z.npy", "--json").out.splitlines()] == (
        2 * [{"input": 0, "row": 0, "output": 0}.keys()]
    )


def test_nothing_to_predict(capsys):
    np.save("x.npy", IMAGES[:0])
    run(capsys, "mnist_mlp", "x.npy", "-o", "y.npy")
    assert len(np.load("y.npy")) == 0


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.npy", b"none", "x.npy: not an npy file of numbers"),
        ("x.npz", b"none", "x.npz: not an npz file of numbers"),
        ("x.txt", b"none", "x.txt: expected IDX, a folder of images, or a name that ends in .npy"),
        ("x.csv", b"1,2,3\n", "x.csv: Sequential[2] Linear"),
        ("x.csv", b"a,b\n1,\x1b[31m\n", "x.csv: line 2, column 2: expected a number, got '\\\\x1b[31m'"),
        ("x.csv", b"\xff\xfe", "x.csv: line 1: expected UTF-8"),
        ("x-idx", b"\0\0\x08\x03\0\0\0\x01\0\0\0\x02\0\0\0\x02abc", "x-idx: the array is cut short"),
        ("x.gz", b"\x1f\x8bnone", "x.gz: damaged gzip file"),
        ("x.png", b"none", "x.png: not a readable image"),
        ("x.parquet", b"none", "x.parquet: not a Parquet file"),
    ],
)
def test_damaged_inputs(capsys, name, content, said):
    if name.endswith(("png", "parquet")):
        pytest.importorskip({"png": "PIL", "parquet": "pyarrow"}[name.rpartition(".")[2]])
    with open(name, "wb") as file:
        file.write(content)
    _, err = run(capsys, "mnist_mlp", name, status=2)
    assert said in err
    assert err.count("\n") == 1
    assert "\x1b" not in err


def test_mistakes(capsys):
    np.savez("x.npz", first=IMAGES, second=IMAGES)
    np.save("x.npy", IMAGES)
    save_csv("x.csv", NAMES)
    for arguments, said in (
        (["x.npz"], "x.npz: expected --key with one of first, second, none was named"),
        (["x.npz", "--key", "third"], "got third"),
        (["x.npy", "-o", "y.xls"], "y.xls: expected a name that ends in .npy, .csv, .parquet, .jsonl"),
        (["x.npy", "-o", "no/y.csv"], "no: there is no such folder"),
        (["x.csv", "--drop", "p1x"], "x.csv: no column 'p1x'; did you mean p1"),
        (["x.csv", "--size", "3"], "--size: expected two lengths"),
        (["."], ".: expected images in the folder"),
        (["nowhere.npy"], "nowhere.npy: No such file"),
        (["--dask", "local", "x.npy", "x.npy", "-o", "y.npy"], "one INPUT and -o OUT, got 2 and -o y.npy"),
    ):
        assert said in run(capsys, "mnist_mlp", *arguments, status=2).err


def test_an_array_in_fortrans_order_is_read_as_a_whole_up_to_2_gib(capsys):
    header = {"descr": "<f4", "fortran_order": True, "shape": (1 << 16, 1 << 16)}
    with zipfile.ZipFile("x.npz", "w") as archive, archive.open("x.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, header)
    assert "is read as a whole, up to 2 GiB" in run(capsys, "mnist_mlp", "x.npz", status=2).err


def test_images_are_neither_centred_nor_inverted_unasked():
    image = pytest.importorskip("PIL.Image")
    pixels = np.zeros((28, 28), np.uint8)
    pixels[:5, :3] = 200
    image.fromarray(pixels).save("corner.png")
    ((_, batch),) = samples.read("corner.png", samples.Options(shape=(28, 28)), 1)
    assert np.array_equal(batch, [pixels])


def test_a_table_with_a_label_says_how_to_leave_it_out(capsys):
    rows = np.column_stack([LABELS[:25], IMAGES.reshape(25, 784)])
    np.savetxt("x.csv", rows, "%d", delimiter=",", header=f"label,{NAMES}", comments="")
    error = run(capsys, "mnist_mlp", "x.csv", status=2).err
    assert "expected (batch, 784), got (25, 785); --drop leaves a column out" in error
    assert run(capsys, "mnist_mlp", "x.csv", "--drop", "label").out.count("\n") == 25


def test_the_shape_of_images():
    assert predict.image_shape(tt.models.mnist_mlp()) == (28, 28)
    assert predict.image_shape(tt.Sequential(tt.Linear(10, 3))) is None
    assert predict.image_shape(tt.Sequential(tt.relu)) is None


def test_outputs_of_more_axes_go_to_npy_only():
    with pytest.raises(tt.ArgumentError, match=r"write them as \.npy"):
        next(answers.records("x", ["0"], np.zeros((1, 2, 2))))
