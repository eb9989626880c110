-- Forgets all audits but the newest $1. The ids are looked up along the primary key, from its end.
DELETE FROM audit_run
WHERE id <= (SELECT id FROM audit_run ORDER BY id DESC OFFSET $1 LIMIT 1)
