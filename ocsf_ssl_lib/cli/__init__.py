"""``ocsf-ssl``: simulate, inspect, train, score, explain, evaluate, drift; a module for each command.

Results go to standard output or to the file named; progress, notes and errors go to standard error. Bad input ends
with one line and exit code 2. What needs torch or scikit-learn is imported by the commands that use it: help and errors
come at once.
"""

# Importing a command's module adds it to the application; help lists them in this order.
from ocsf_ssl_lib.cli import simulate, inspect, train, score, explain, evaluate, drift  # noqa: F401, I001
from ocsf_ssl_lib.cli.app import app
from ocsf_ssl_lib.cli.app import run_app as main

__all__ = ["app", "main"]
