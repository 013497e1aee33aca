"""What findings lead to, as pure functions; the live loop and the replay ask the same one."""

from airloop.policy.findings import Evidence, Findings
from airloop.policy.retraining import Answer, History, decide

__all__ = ["Answer", "Evidence", "Findings", "History", "decide"]
