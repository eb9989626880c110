-- A code's ceiling is its limit, or the uses so far where those are more; behind lock_codes, in a statement of its own.
-- Rows that stay as they are are not written: a shop may have many codes, and orders wait for these locks.
WITH wanted AS (
    SELECT discount_code.id, lower(discount_code.code COLLATE "C") AS key,
           CASE WHEN new.max_uses IS NOT NULL THEN greatest(new.max_uses, discount_code.uses) END AS use_ceiling
    FROM unnest($1::text[], $2::bigint[]) AS new (key, max_uses)
    JOIN discount_code ON lower(discount_code.code COLLATE "C") = new.key
), changed AS (
    UPDATE discount_code
    SET use_ceiling = wanted.use_ceiling
    FROM wanted
    WHERE discount_code.id = wanted.id AND discount_code.use_ceiling IS DISTINCT FROM wanted.use_ceiling
)
SELECT id, key FROM wanted
