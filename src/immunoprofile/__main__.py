"""``python -m immunoprofile VERB``: the same program as ``immunoprofile VERB``."""

from immunoprofile.cli import main

if __name__ == "__main__":
    main()
