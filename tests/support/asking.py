"""Many requests at a service under roll-outs, each answer held against what the version that it names must answer.

By wrk where it is installed, else by connections of our own. Each request carries the number of its row in its id, since
wrk does not say which request an answer belongs to; the answer repeats the id.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

CONNECTIONS, PATIENCE = 8, 300.0
_ANSWER = re.compile(r'"version":(\d+),"request_id":"(\d+)-\d+","predictions":\[([^\]]*)\]')

_LUA = """
local bodies, right = {bodies}, {right}
local asked, threads = 0, {{}}
function setup(thread) table.insert(threads, thread) end
function init() versions, wrong, failed, example = {{}}, 0, 0, "" end
function request()
  asked = asked + 1
  local row = asked % #bodies + 1
  return wrk.format("POST", nil, {{
    ["content-type"] = "application/json", ["authorization"] = "Bearer {token}",
    ["x-request-id"] = row .. "-" .. asked}}, bodies[row])
end
function response(status, _, body)
  local version, row, answer = body:match('"version":(%d+),"request_id":"(%d+)%-%d+","predictions":%[([^%]]*)%]')
  if status ~= 200 then failed, example = failed + 1, body
  elseif not version or (right[tonumber(version)] or {{}})[tonumber(row)] ~= answer then wrong, example = wrong + 1, body
  else versions[version] = (versions[version] or 0) + 1 end
  seen = ""
  for name, count in pairs(versions) do seen = seen .. (seen == "" and "" or ",") .. '"' .. name .. '":' .. count end
end
function done(summary)
  local e = summary.errors
  for _, thread in ipairs(threads) do
    io.write(string.format('{{"versions":{{%s}},"wrong":%d,"failed":%d,"example":%q}}\\n', thread:get("seen"),
      thread:get("wrong"), thread:get("failed") + e.connect + e.read + e.write + e.timeout, thread:get("example")))
  end
end
"""


@dataclass
class Told:
    """What was answered: right answers by the version that gave them, wrong ones, and requests that failed."""

    versions: Counter[int] = field(default_factory=Counter)
    wrong: int = 0
    failed: int = 0
    example: str = ""

    @property
    def right(self) -> int:
        """All right answers."""
        return sum(self.versions.values())

    @property
    def asked(self) -> int:
        """All requests."""
        return self.right + self.wrong + self.failed

    def wait(self, version: int, more: float) -> None:
        """Until so many more were asked, and that version answered some of all; as long as anybody is answered."""
        asked = self.asked
        enough, deadline = asked + more, time.monotonic() + PATIENCE
        while self.asked < enough or not self.versions[version]:
            if self.asked > asked and self.versions[version]:
                asked, deadline = self.asked, time.monotonic() + PATIENCE
            assert time.monotonic() < deadline, f"nobody is answered by version {version}: {self}"
            time.sleep(0.05)


@dataclass(frozen=True)
class Asking:
    """What is asked, and what is right.

    :param right: by version its answers to ``bodies``, each as the service writes it
    """

    url: str
    token: str
    bodies: Sequence[str]
    right: Mapping[int, Sequence[str]]

    @contextmanager
    def traffic(self, folder: Path, requests: int) -> Iterator[Told]:
        """Ask while the context lasts, and on until there were so many requests."""
        told, ended = Told(), threading.Event()

        def ask() -> None:
            while not ended.is_set() or told.asked < requests:
                self._ask(told, folder)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            yield told
        finally:
            ended.set()
            asking.join(PATIENCE)

    def _ask(self, told: Told, folder: Path) -> None:
        """Ask for a second, and add what was answered."""
        if wrk := shutil.which("wrk"):
            self._press(wrk, told, folder / "asking.lua")
        else:
            self._call(told)

    def _press(self, wrk: str, told: Told, script: Path) -> None:
        script.write_text(
            _LUA.format(
                bodies=_table(self.bodies),
                right=_numbered(self.right),
                token=self.token,
            ),
            encoding="utf-8",
        )
        argv = [
            wrk, "-t1", f"-c{CONNECTIONS}", "-d1", "--timeout", "60",
            "-s", str(script), self.url,
        ]  # fmt: skip
        found = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
        counted = json.loads(found.strip().splitlines()[-1])
        told.versions.update({int(name): count for name, count in counted["versions"].items()})
        told.wrong += counted["wrong"]
        told.failed += counted["failed"]
        told.example = counted["example"] or told.example

    def _call(self, told: Told) -> None:
        lock, until = threading.Lock(), time.monotonic() + 1

        def one(caller: int) -> None:
            with httpx.Client(
                headers={"authorization": f"Bearer {self.token}"}, timeout=60
            ) as http:
                asked = caller
                while time.monotonic() < until:
                    row, asked = asked % len(self.bodies), asked + CONNECTIONS
                    self._one(http, told, lock, row, f"{row + 1}-{asked}")

        callers = [threading.Thread(target=one, args=(number,)) for number in range(CONNECTIONS)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()

    def _one(
        self, http: httpx.Client, told: Told, lock: threading.Lock, row: int, name: str
    ) -> None:
        headers = {"content-type": "application/json", "x-request-id": name}
        try:
            answer = http.post(self.url, content=self.bodies[row], headers=headers)
            text, fine = answer.text, answer.status_code == httpx.codes.OK
        except httpx.HTTPError as error:
            text, fine = repr(error), False
        found = _ANSWER.search(text)
        with lock:
            if not fine:
                told.failed, told.example = told.failed + 1, text
            elif found is None or found[3] != self._right(int(found[1]), row):
                told.wrong, told.example = told.wrong + 1, text
            else:
                told.versions[int(found[1])] += 1

    def _right(self, version: int, row: int) -> str | None:
        answers = self.right.get(version)
        return None if answers is None else answers[row]


def _numbered(right: Mapping[int, Sequence[str]]) -> str:
    return "{" + ",".join(f"[{version}]={_table(texts)}" for version, texts in right.items()) + "}"


def _table(texts: Sequence[str]) -> str:
    """As Lua writes it; a long bracket takes any text without ``]==]``."""
    return "{" + ",".join(f"[==[{text}]==]" for text in texts) + "}"
