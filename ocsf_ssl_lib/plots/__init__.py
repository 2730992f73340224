"""The figures of the book, one file per chapter, and the style they share."""
