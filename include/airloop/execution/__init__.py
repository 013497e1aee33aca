"""How a step runs: executors, each a plug-in, and what runs a step by one of them."""
