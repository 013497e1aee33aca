"""The table's rows: what each bench measures, against what, and what is promised. No library is loaded here."""

from __future__ import annotations

from bench.row import Row, Target

#: The kind of wrong row in ``bench.rows`` that no check of rows can see.
UNSEEN = "possible, yet wrong"
#: The numbers of connections at which the services are asked.
CONNECTIONS = (1, 16, 64)


def _serving() -> tuple[Target, ...]:
    """CPU a request at each number of connections; ``mlflow models serve`` and BentoML alone and at 16."""
    app = (
        Target(f"fastapi_{count}", f"CPU a request at {count} {{}} × FastAPI's", most=1.0)
        for count in CONNECTIONS
    )
    others = (
        Target(f"{key}_16", f"at 16 {{}} × {name}'s", most=0.25)
        for key, name in (("mlflow", "MLflow"), ("bentoml", "BentoML"))
    )
    return (*app, *others, Target("failed", "{} requests failed", most=0, form=".0f"))


ROWS: dict[str, Row] = {
    "serving": Row(
        "one-row requests at 1, 16 and 64 connections: token, log on the disk before the answer, counters",
        "the same model in a 60-line FastAPI + ONNX Runtime app that does the same; `mlflow models serve`;"
        " BentoML's own service",
        _serving(),
        limit_seconds=400,
    ),
    "overload": Row(
        "the service under 640 connections that ask without a pause, and among 20,000 half-sent headers without a token",
        "itself at one connection",
        (
            Target("ratio", "p99 of who is answered {} × idle's", most=2.0),
            Target("refused_ms", "p99 of a 503 {} ms", most=100, form=".0f"),
            Target("probe_ms", "the slowest probe among half-sent headers {} ms", most=1000, form=".0f"),
            Target("failed", "{} requests failed otherwise", most=0, form=".0f"),
        ),
    ),
    "ingest": Row(
        "ingest of one partition of 1M × 23 CSV, and its peak of memory",
        "Polars' streaming CSV to Parquet; pyarrow's; both again with the same checks, quarantine and Delta commit",
        (
            Target("plain", "without checks {} × the CPU of Polars' conversion", most=2.0),
            Target("checked", "with checks and quarantine {} × it", most=3.0),
            Target("same_work", "{} × the CPU of Polars with the same checks", most=3.0),
            Target("peak_mb", "peak {} MB", most=600, form=".0f"),
            Target("same", "{} of the rows the same", least=1.0),
        ),
        limit_seconds=300,
    ),
    "days": Row(
        "365 days of 300 rows × 23 CSV backfilled in one range, quarantine and a commit a day, libraries loaded",
        "a loop of pandas and deltalake with the same checks, quarantine and commits",
        (
            Target("cpu", "{} s of CPU", most=60, form=".0f"),
            Target("same", "{} of the rows the same", least=1.0, form=".0f"),
        ),
    ),
    "gx": Row(
        "GX suite on a partition set of 3.4M rows, read from the lake, verdicts only",
        "GX on one pandas frame of the suite's columns, read from the lake, verdicts only",
        (
            Target("ratio", "{} × less CPU", least=5.0, form=".1f"),
            Target("memory", "{} of its memory", most=0.5),
            Target("same", "{} of the verdicts the same", least=1.0),
        ),
    ),
    "rows": Row(
        "bad rows of 7 kinds at 0.1, 1 and 6 % of real days: batches in which the gate sees them",
        "1,000 clean batches, for the false alarms",
        (
            Target("seen", "{} of the batches seen", least=0.99, form=".1%"),
            Target("alarms", "{} false alarms", most=0.01, form=".1%"),
        ),
    ),
    "drift": Row(
        "drift check of 1M rows × 20 columns: reference, counts, verdict and the night's report",
        "Evidently's DataDriftPreset with its page on the same files; Polars and DuckDB doing the same counts",
        (
            Target("ratio", "{} × less CPU than Evidently", least=30, form=".0f"),
            Target("memory", "{} of its memory", most=1 / 3),
            Target("same", "{} of 20 planted cases with the same verdict", least=1.0, form=".0%"),
            Target("counts", "counts {} × the CPU of the better of Polars and DuckDB", most=1.5),
        ),
        limit_seconds=400,
    ),
    "training": Row(
        "`train_flight_delay` in Airflow, trigger accepted → candidate registered, libraries loaded",
        "one script that does the same (read, fit, judge on held-out days by slices, convert to ONNX, log,"
        " register), libraries loaded",
        (
            Target("ratio", "{} × by the clock", most=1.0),
            Target("cpu", "{} × the CPU", most=1.5),
        ),
        limit_seconds=400,
    ),
    "networks": Row(
        "torch training on a CPU, rows a second of an epoch, 40 numbers, batches of 8,192",
        "the same network on index batches of resident tensors; in a plain DataLoader(TensorDataset) loop",
        (
            Target("indexed", "{} × index batches", least=1.0),
            Target("loader", "{} × the DataLoader", least=2.0, form=".1f"),
            Target("checkpoint", "checkpoints {} of the time", most=0.02, form=".3%"),
        ),
    ),
    "segments": Row(
        "segments of small models in packs of 25, two of them planted to fail, forked from the step host",
        "a step a segment, forked from the same host (some of them measured, and multiplied)",
        (
            Target("ratio", "{} × less CPU by packing", least=5.0, form=".1f"),
            Target("isolated", "{} of the failures alone", least=1.0, form=".0f"),
        ),
    ),
    "tuning": Row(
        "Optuna with pruning (`halving`), to the metric of full trials",
        "full trials, the same sampler, seed and space",
        (
            Target("ratio", "{} × the CPU", most=0.5),
            Target("reached", "metric reached in {} of the searches", least=1.0),
        ),
    ),
    "page": Row(
        "the Airloop page: 100 models, 60 nights each",
        "the same page of one model; the same records read by two queries",
        (
            Target("cpu_ms", "{} ms of CPU", most=500, form=".0f"),
            Target("queries", "{} × the two queries", most=5.0, form=".1f"),
        ),
    ),
    "workers": Row(
        "one-row requests at 64 connections to the service with two workers",
        "with one, in turn, three times each",
        (
            Target("ratio", "{} × the CPU a request", most=1.1),
            Target("failed", "{} requests failed", most=0, form=".0f"),
        ),
    ),
    "models": Row(
        "1,000 models in one service with `serving.memory: 512Mi`: its start, its rest, each asked once",
        "nothing: a promise of its own",
        (
            Target("start", "ready after {} s", most=10, form=".1f"),
            Target("idle", "{} of a core at rest", most=0.01, form=".2%"),
            Target("memory", "peak {} MiB", most=512, form=".0f"),
            Target("failed", "{} requests failed, or are not in the log", most=0, form=".0f"),
        ),
        limit_seconds=600,
    ),
    "deploy": Row(
        "a promotion, accepted by the service, with 40 models deployed",
        "with 2",
        (
            Target("ratio", "{} × the CPU", most=1.5),
            Target("served", "{} of the models answer", least=1.0),
        ),
    ),
    "idle": Row(
        "`airloop up` at rest, over a minute",
        "Airflow's own processes of it",
        (
            Target("cpu", "{} of a core", most=0.09, form=".1%"),
            Target("memory", "{} GB", most=2.2),
            Target("own_cpu", "of it Airloop's, MLflow's and the service's {} of a core", most=0.03, form=".1%"),
        ),
    ),
    "specs": Row(
        "start of a task with 1,000 model specs in config",
        "with 1",
        (Target("ratio", "{} × the CPU", most=1.1, form=".3f"),),
    ),
    "parse": Row(
        "parse of a spec's DAG file, its four DAGs, in a process with the bundle imported, as the DAG processor's are",
        "an empty DAG file's parse there",
        (Target("ms", "{} ms of CPU", most=50, form=".0f"),),
    ),
    "pods": Row(
        "a pod step on the tests' Kubernetes API, start to result, empty body",
        "the same step as a process",
        (Target("more", "{} s more", most=2.0, form=".1f"),),
    ),
    "demo": Row(
        "`make demo` from a bare clone",
        "its own chapters, without the environment's installation",
        (
            Target("minutes", "{} min in all", most=7.0, form=".1f"),
            Target("story", "{} min of them the demo", most=4.0, form=".1f"),
            Target("failed", "{} requests failed", most=0, form=".0f"),
        ),
        limit_seconds=600,
    ),
}  # fmt: skip
