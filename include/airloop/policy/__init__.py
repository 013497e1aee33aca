"""What findings lead to, as pure functions; the live loop and the replay ask the same one."""

from airloop.policy.findings import Evidence, Findings
from airloop.policy.holding import History
from airloop.policy.retraining import Answer, decide

__all__ = ["Answer", "Evidence", "Findings", "History", "decide"]
