"""``python -m intertwine``: the command line where its script is not on the path."""

from intertwine.cli import app

if __name__ == "__main__":
    app()
