"""The front door of a checkout: ``python cli.py VERB`` is the program that ``immunoprofile VERB`` is."""

from immunoprofile.cli import main

if __name__ == "__main__":
    main()
