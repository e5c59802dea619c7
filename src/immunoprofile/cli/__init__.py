"""The command line: arguments to calls, one module a verb, and the only place that prints.

`main` is the entry point of ``immunoprofile``, ``python -m immunoprofile`` and ``python cli.py``. `program` gathers
the verbs and turns every outcome into an exit code (`outcomes`); `console` prints: results to standard output,
messages and progress to standard error; `options` holds what several verbs share. Each verb reads its arguments,
calls the library and prints what came back. Libraries other than click are imported inside the verbs, so that
``--help`` answers at once.
"""

from immunoprofile.cli.program import main, program

__all__ = ["main", "program"]
