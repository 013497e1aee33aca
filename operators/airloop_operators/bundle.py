"""The DAG bundle of a project: a stub a spec, and the project's own DAG files beside them.

    [{"name": "airloop", "classpath": "airloop_operators.bundle.ProjectBundle", "kwargs": {}}]

``project`` names the project's folder where it is not that of ``AIRLOOP_PROJECT``: Airflow ties a team to a bundle, so
each team's project is a bundle. ``source`` is another bundle, whose files are those of the project's ``dags/``, as git's
with ``subdir: dags``: then a run keeps the version it began with, and so do its specs.

Importing this module imports what the builders need. The DAG processor does it once, before it forks a process for
each file. No setting and no spec is kept here: the forked processes would have them for ever.
"""

from __future__ import annotations

import contextlib
import logging
from importlib import import_module
from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.base import BaseDagBundle, BundleVersion
from airflow.sdk.module_loading import import_string

from airloop import paths
from airloop.ejection import KINDS
from airloop.plugins.registry import OWN, installed, load
from airloop.projects.stub_folder import Origin, StubFolder, Written
from airloop.projects.stubs import PROJECT_DAGS, STUBS, Plan, refresh_interval
from airloop_operators.watch import Watch

log = logging.getLogger(__name__)

# By name: the DAGs are a floor above the operators.
for _name in (*(f"airloop_dags.{kind}" for kind in KINDS), *PROJECT_DAGS.values()):
    import_module(_name)
# What Airflow itself imports at the first DAG that it stores.
for _module in (
    "airflow.providers.standard.operators.empty",
    "airflow.providers.standard.operators.trigger_dagrun",
    "airflow.providers.standard.sensors.external_task",
    "airflow.timetables.trigger",
):
    import_module(_module)
# What specs name: Airloop's own plug-ins, and where the others are. Those are imported by who names them.
for _plugin in installed():
    if _plugin.distribution == OWN:
        load(_plugin.seam, _plugin.name)

#: Where stubs and links lie in a bundle that has a source: beside the files of its checkout.
_BESIDE = ".airloop-dags"


class ProjectBundle(BaseDagBundle):
    """The DAGs of one project, parsed one spec at a time.

    :param project: the project's folder
    :param source: the bundle that brings the project, as ``{"classpath": …, "kwargs": {…}}``
    """

    refresh_interval: int

    def __init__(
        self,
        *,
        project: str | None = None,
        source: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._named = Path(project) if project else None
        self._source = self._made(source) if source else None
        if self._source is not None:
            self.supports_versioning = self._source.supports_versioning
        self._least = self.refresh_interval
        self._plan: Plan | None = None
        self._watch = Watch(self.name)

    @property
    def path(self) -> Path:
        """The folder with stubs and links: in the bundles' storage, or in the checkout of the source."""
        if self._source is not None:
            return Path(self._source.path) / _BESIDE
        return Path(self.base_dir) / "dags"

    def initialize(self) -> None:
        """Let each spec have its stub: what a task needs on a machine whose processor is another."""
        if self._source is not None:
            self._source.initialize()
        folder = self._stubs()
        if not folder.complete():
            self._write(folder)
        self._link(folder.plan.dags)
        super().initialize()

    def refresh(self) -> None:
        """Write the stubs whose specs, datasets or settings changed, and let the rhythm follow their number."""
        if self._source is not None:
            self._source.refresh()
        folder = self._stubs()
        found = self._write(folder)
        self._link(folder.plan.dags)
        self.refresh_interval = max(self._least, refresh_interval(found.stubs))
        self._watch.look(folder.plan)

    def get_current_version(self) -> str | BundleVersion | None:
        """The source's; a folder has none."""
        version: str | BundleVersion | None = None
        if self._source is not None:
            version = self._source.get_current_version()
        return version

    def view_url_template(self) -> str | None:
        """The source's, where this bundle was given none."""
        own: str | None = super().view_url_template()
        if own is None and self._source is not None:
            own = self._source.view_url_template()
        return own

    def _made(self, source: dict[str, Any]) -> BaseDagBundle:
        """The source, under this bundle's own name: it keeps its checkouts where this bundle's files belong."""
        made: BaseDagBundle = import_string(source["classpath"])(
            name=self.name, version=self.version, **source.get("kwargs", {})
        )
        return made

    def _origin(self) -> Origin:
        """Which project this is of."""
        if self._source is not None:
            inside = self._source.path
            found = [one for one in (inside, *inside.parents) if (one / paths.MARKER).is_file()]
            project = found[0] if found else inside.parent
        elif self._named is not None:
            project = self._named
        else:
            return Origin(paths.root(), paths.config_folder())
        return Origin(project, project / "config")

    def _stubs(self) -> StubFolder:
        origin = self._origin()
        dags = self._source.path if self._source is not None else origin.project / "dags"
        if self._plan is None or (self._plan.config, self._plan.dags) != (origin.config, dags):
            self._plan = Plan(origin.config, dags)
        return StubFolder(self.path, origin, self._plan)

    def _write(self, folder: StubFolder) -> Written:
        with self.lock():
            found = folder.write()
        if found.written or found.removed:
            log.info(
                "%d of %d stubs written, %d removed",
                len(found.written), found.stubs, len(found.removed),
            )  # fmt: skip
        return found

    def _link(self, dags: Path) -> None:
        """Show the project's own DAG files beside the stubs: a name that one of them imports is found as before."""
        shown = {STUBS, _BESIDE, "__pycache__"}
        wanted = {one.name for one in dags.iterdir()} - shown if dags.is_dir() else set()
        there = {one.name: one for one in self.path.iterdir() if one.is_symlink()}
        for name, link in there.items():
            if name not in wanted or link.readlink() != dags / name:
                link.unlink(missing_ok=True)
        for name in wanted:
            with contextlib.suppress(FileExistsError):
                (self.path / name).symlink_to(dags / name)
