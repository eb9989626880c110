-- Forgets all audits of the form $2 but the newest $1. The ids are looked up along the primary key, from its end.
DELETE FROM audit_run
WHERE form = $2 AND id <= (SELECT id FROM audit_run WHERE form = $2 ORDER BY id DESC OFFSET $1 LIMIT 1)
