"""Prediction on Spark DataFrames, where there is PySpark and a Java runtime."""

import shutil
import sys

import numpy as np
import pytest

import tinytensor as tt
from tests.test_documents import ROOT, blocks

ROWS = tt.datasets.mnist("sample")[0][:300].reshape(300, 784).astype(np.float32)
MODEL = tt.models.mnist_mlp()


@pytest.fixture(scope="module")
def session():
    sql = pytest.importorskip("pyspark.sql")
    if shutil.which("java") is None:
        pytest.skip("Spark needs a Java runtime, which is beside the repository")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        session = (
            sql.SparkSession.builder.master("local[2]")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.task.cpus", "2")
            .getOrCreate()
        )
        session.sparkContext.setLogLevel("OFF")
        yield session
        session.stop()


@pytest.mark.filterwarnings("ignore")  # PySpark's own, of pandas
def test_bits_do_not_depend_on_the_partition(session):
    frame = session.createDataFrame(
        [(i, row.tolist()) for i, row in enumerate(ROWS)], "id long, pixels array<float>"
    ).repartition(3)
    predict = tt.distributed.spark.predict_udf(MODEL, session, 784, batch_size=64)
    rows = frame.withColumn("outputs", predict("pixels")).orderBy("id").collect()
    assert [row.id for row in rows] == list(range(300))
    assert np.array([row.outputs for row in rows], np.float32).tobytes() == MODEL.predict(ROWS).tobytes()


def test_models_that_do_not_fit():
    pytest.importorskip("pyspark")
    with pytest.raises(tt.ShapeError, match=r"expected outputs \(n, k\), got \[\(2, 5\)\]"):
        tt.distributed.spark.predict_udf(tt.Sequential(tt.relu), None, (2, 5))
    with pytest.raises(tt.ShapeError, match=r"expected \(batch, 784\)"):
        tt.distributed.spark.predict_udf(tt.Sequential(tt.Linear(784, 10)), None, 5)


def test_without_spark_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark.ml.functions", None)
    with pytest.raises(tt.MissingExtra, match=r"tinytensor-nn\[spark\]"):
        tt.distributed.spark.predict_udf(MODEL, None, 784)


@pytest.mark.filterwarnings("ignore")
def test_the_code_of_the_page(session, capsys):
    ((_, code, output),) = [each for each in blocks(ROOT / "docs" / "scaling.md", "py") if "spark" in each[1]]
    exec(code, {})
    assert capsys.readouterr().out == output
