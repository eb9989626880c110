-- The indexes and keys of the tables $1, and the foreign keys that point to them, as the server itself would make them
-- again; what is not valid is told as such, so that it differs.
SELECT pg_constraint.conrelid::regclass::text AS table_name, conname AS name,
       pg_get_constraintdef(pg_constraint.oid) || CASE WHEN convalidated THEN '' ELSE ' (not valid)' END AS definition,
       false AS is_index
FROM pg_constraint
WHERE contype IN ('p', 'u', 'f')
  AND (conrelid = ANY ($1::text[]::regclass[]) OR confrelid = ANY ($1::text[]::regclass[]))
UNION ALL
SELECT indrelid::regclass::text, indexrelid::regclass::text,
       pg_get_indexdef(indexrelid) || CASE WHEN indisvalid AND indisready THEN '' ELSE ' (not valid)' END, true
FROM pg_index
WHERE indrelid = ANY ($1::text[]::regclass[])
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'))
ORDER BY table_name, name
