"""The contract as a page to read at /docs: made from the OpenAPI document, no script, no other host."""
