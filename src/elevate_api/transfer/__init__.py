"""Files that leave and come back: lossless exports of tables, and imports that say which line is wrong."""
