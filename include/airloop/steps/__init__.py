"""The steps of the loop, a module each: a request in, a result out.

A step is ``airloop.steps.<step>`` with ``Request``, ``Result`` and ``run(request, context)``. Who starts a step
(an operator, the command line) never imports its module, which may be heavy: it writes the request's JSON and
reads the result's. Both sides therefore keep to these fields (a field may be added with a default):

==============  ==================================================  =================================================
step            request, besides ``fence``                          result
==============  ==================================================  =================================================
ingest          dataset: Name, partition: PartitionKey | None,      dataset: DatasetRef, report: ValidationReport,
                partitions: tuple (instead of partition)            partitions: tuple[Ingested, ...]
recheck         dataset: Name, partitions: tuple,                   changed: tuple[PartitionKey, ...],
                since: datetime                                     trouble: tuple[str, ...], looked_at: int
study           model: Name, until, as_of, params: as train         study: str | None, shares: tuple[int, ...],
                                                                    until: PartitionKey, reason: str
trials          model: Name, study: str | None, worker: int,        trials: int
                share: int, until: PartitionKey, as_of,
                params: dict
divide          model: Name, until, as_of, params, study: as train  plan: str, packs: tuple[int, ...], segments: int,
                                                                    left_out: int, until: PartitionKey
segments        model: Name, plan: str, pack: int                   trained: int, failed: int
segment_worker  model, plan, pack: as segments,
                watcher: Fence (of the attempt that started it)
train           model: Name, trigger_id: str | None,                candidate: Candidate, run_url: str | None
                until: PartitionKey | None (last day of the window;
                None: the newest), as_of: datetime | None (the
                moment as of which the lake is read; None: now),
                params: dict (laid over the spec's
                training.params), reason: str,
                study: str | None, plan: str | None
evaluate        candidate: Candidate                                report: GateReport
register        candidate: Candidate, report: GateReport            version: ModelVersion
verify          model: Name, number: int (a registered version's)   version: ModelVersion, checks: tuple[Check, ...]
promote         version: ModelVersion, reason: str, actor: str      deployment: Deployment | None (None: it waits),
                                                                    wait_seconds: float, says: str
monitor         model: Name, partition: PartitionKey                report: DriftReport, decision: Decision,
                                                                    trigger: Trigger | None, created: bool,
                                                                    alert: str | None
score           model: Name, partition: PartitionKey                table: DatasetRef, model_version: int, rows: int
replay          model: Name, policies: tuple[str, ...]              reason: str, page: str | None
==============  ==================================================  =================================================
"""

from __future__ import annotations

import pkgutil

#: The steps that exist. ``segment_worker`` is started by the step ``segments``, never by an operator.
STEPS = tuple(module.name for module in pkgutil.iter_modules(__path__) if module.name[0] != "_")

__all__ = ["STEPS"]
