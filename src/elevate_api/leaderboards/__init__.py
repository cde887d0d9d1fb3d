"""The board, ranks, profiles and public figures."""
