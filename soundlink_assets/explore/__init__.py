"""The live page: filters, figures and tables of what the warehouse holds, in the browser.

Here: the SQL behind its tables (`tables`), and the page itself, a marimo app (`page`). Not here:
how it is served, which is the command `explore`. Charts and formats are the report's.
"""
