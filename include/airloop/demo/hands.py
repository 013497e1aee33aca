"""Chapters 7 and 8, by hand: a worse model is pushed and refused; one command goes back."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from airloop.demo.nights import SHIFTED_NIGHT
from airloop.demo.serving import requests_of
from airloop.demo.stage import MODEL, DemoStage, expect
from airloop.demo.traffic import BackgroundLoad, send
from airloop.vocabulary import Action, Topic

#: One shallow tree that hardly learns: it beats no champion.
WORSE = {"max_iter": 1, "max_leaf_nodes": 2, "learning_rate": 0.01}
#: Seconds a rollback may take, from the command to the first answer of the old version, of what the machine gives.
ROLLBACK_LIMIT = 60.0
#: As a person types it.
_AIRLOOP = str(Path(sys.executable).parent / "airloop")
_ROLLBACK = (_AIRLOOP, "rollback", MODEL, "--reason", "the demo goes back")


def worse_model(stage: DemoStage) -> str:
    """The gate refuses it, says why, and the champion stays."""
    deliveries = set(stage.run_ids("deploy"))
    conf = {"reason": "a worse model, pushed by hand", "until": SHIFTED_NIGHT, "params": WORSE}
    stage.run_dag("train", conf, well=False)
    gate = stage.last_decision(Topic.GATE)
    expect(gate.action is Action.REFUSED, "the gate refuses", value=gate.action)
    expect(gate.reason, "the gate says why")
    expect(set(stage.run_ids("deploy")) == deliveries, "nothing is delivered")
    version = stage.service.endpoint(MODEL).version
    expect(version == stage.champion_after, "the champion stays", value=version)
    return f"refused: {gate.reason}"


def roll_back(stage: DemoStage) -> str:
    """`airloop rollback` under traffic: the previous champion answers again within a minute."""
    traffic = requests_of(SHIFTED_NIGHT)
    with BackgroundLoad(stage.settings, MODEL, traffic, stage.tally):
        began = time.monotonic()
        done = subprocess.run(_ROLLBACK, capture_output=True, text=True, check=False)
        expect(done.returncode == 0, "the command succeeds", value=done.stderr.strip())
        stage.serves(stage.champion_before or 0)
        seconds = time.monotonic() - began
        send(stage.settings, MODEL, traffic[:20], stage.tally)
        own = seconds / stretch(_AIRLOOP, "--version")
    expect(own < ROLLBACK_LIMIT, "going back takes less than a minute", value=seconds)
    expect(stage.tally.failed == 0, "no request fails", value=stage.tally.reasons)
    answer = stage.service.predict(MODEL, traffic[0])
    expect(answer.version == stage.champion_before, "the old version answers", value=answer.version)
    return f"version {stage.champion_before} serves again after {seconds:.1f} s, no request failed"


def stretch(*command: str) -> float:
    """How much longer a command takes than it computes, at this moment: 1 on an idle machine, more on a busy one."""
    before, began = os.times(), time.monotonic()
    subprocess.run(command, capture_output=True, check=True)
    after, seconds = os.times(), time.monotonic() - began
    computed = sum(after[2:4]) - sum(before[2:4])
    return max(1.0, seconds / computed) if computed else 1.0
