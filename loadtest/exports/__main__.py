"""`python -m loadtest.exports`."""

from loadtest.exports.command import main

if __name__ == "__main__":
    main()
