-- The time, and which catalog is the newest.
SELECT clock_timestamp() AS now, newest.id AS revision, newest.created_at AS catalog_applied_at
FROM (VALUES (1)) AS always (one)
LEFT JOIN (SELECT id, created_at FROM catalog_revision ORDER BY id DESC LIMIT 1) AS newest ON true
