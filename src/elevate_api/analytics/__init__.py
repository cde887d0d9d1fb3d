"""The materialized views: refreshing them and reading them."""
