"""`python -m airloop`: the command line of this interpreter's own Airloop."""

from airloop.cli.main import main

main()
