"""Model files, journals of long work, tables in sparse text files, and the one safe way to write a file."""

from intertwine.io.atomic_write import replaced_atomically, write_atomically
from intertwine.io.journal import AbstractJournal, Journal, NoJournal
from intertwine.io.libsvm import LibffmFile, LibsvmFile
from intertwine.io.model_file import FORMAT_VERSION, load_state, save_state

__all__ = [
    "FORMAT_VERSION",
    "AbstractJournal",
    "Journal",
    "LibffmFile",
    "LibsvmFile",
    "NoJournal",
    "load_state",
    "replaced_atomically",
    "save_state",
    "write_atomically",
]
