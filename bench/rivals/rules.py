"""The demo's expectations in the words of a script: what Polars and pyarrow check."""

REQUIRED = ("flight_id", "flight_date", "time_hour", "carrier", "origin", "dest", "distance", "sched_dep_minute",
            "sched_arr_minute")  # fmt: skip
ORIGINS = ["EWR", "JFK", "LGA"]
#: Outside of these a row goes to the quarantine.
LIMITS = {"distance": (10, 6000), "sched_dep_minute": (0, 1439), "sched_arr_minute": (0, 1440)}
#: These only warn.
TEMP, SHARE_OF_TEMP = (-30, 120), 0.5
