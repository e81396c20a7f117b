"""`python -m worker`: the same as the installed `pilotage`."""

from worker.cli.main import main

if __name__ == "__main__":
    main()
