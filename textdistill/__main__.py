"""`python -m textdistill`, which launchers of several processes start: the command line."""

from textdistill.commands.cli import main

if __name__ == "__main__":
    main()
