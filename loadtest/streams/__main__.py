"""`python -m loadtest.streams`."""

from loadtest.streams.command import main

if __name__ == "__main__":
    main()
