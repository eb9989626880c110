-- What is new, for the queries of audit_new: $1 the orders and $2 the accounts that it touched, $3 the mark of the entries,
-- $4 that of the orders. It stands behind WITH.
touched_order AS (
    SELECT id FROM unnest($1::bigint[]) AS id
), touched AS (
    SELECT id FROM unnest($2::bigint[]) AS id
), new_transfer AS (
    SELECT * FROM transfer WHERE id > $3
), new_order AS (
    SELECT * FROM orders WHERE id > $4
)
