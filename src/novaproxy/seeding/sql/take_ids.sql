-- The next $2 ids of a table, ascending. Others take theirs between them; an id that is never used leaves a gap.
SELECT nextval(pg_get_serial_sequence($1, 'id')) AS id FROM generate_series(1, $2::integer)
