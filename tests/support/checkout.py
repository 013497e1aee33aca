"""The checkout that is tested: it is a project of its own, the example that users start from."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
