"""What knows no product noun: database, problems, paging, jobs, logging."""
