"""`report.html`: one page that opens offline, made with Jinja from what a bench left."""
