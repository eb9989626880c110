-- What the newest audit of each form found; the table has a few thousand rows.
SELECT DISTINCT ON (form) form, finished_at, findings, covered FROM audit_run ORDER BY form, id DESC
