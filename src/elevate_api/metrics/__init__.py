"""/metrics: what the processes count, and what the database says when it is scraped."""
