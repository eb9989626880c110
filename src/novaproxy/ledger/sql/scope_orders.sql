-- Behind scope_new: the queries of the whole audit see of each table what belongs to the touched orders and accounts, under
-- the table's own name. Each is a look-up along an index.
, orders AS (
    SELECT * FROM orders WHERE id = ANY ($1::bigint[])
), transfer AS (
    SELECT * FROM transfer WHERE order_id = ANY ($1::bigint[]) OR id > $3
), order_move AS (
    SELECT * FROM order_move WHERE order_id = ANY ($1::bigint[])
), meter AS (
    SELECT * FROM meter WHERE order_id = ANY ($1::bigint[])
), usage_hour AS (
    SELECT * FROM usage_hour WHERE order_id = ANY ($1::bigint[])
), lease AS (
    SELECT * FROM lease WHERE order_id = ANY ($1::bigint[])
), lost_lease AS (
    SELECT * FROM lost_lease WHERE order_id = ANY ($1::bigint[])
), account AS (
    SELECT * FROM account WHERE id = ANY ($2::bigint[])
), account_move AS (
    SELECT * FROM account_move WHERE account_id = ANY ($2::bigint[])
)
