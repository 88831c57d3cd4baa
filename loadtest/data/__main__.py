"""`python -m loadtest.data`."""

from loadtest.data.command import main

if __name__ == "__main__":
    main()
