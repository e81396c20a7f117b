"""`python -m worker`: the same as the installed `pilotage`."""

from worker.launching import main

if __name__ == "__main__":
    main()
