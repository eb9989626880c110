-- Behind scope_new: all orders of the touched accounts, for what is counted by account.
, orders AS (
    SELECT * FROM orders WHERE account_id = ANY ($2::bigint[])
), account_plan AS (
    SELECT * FROM account_plan WHERE account_id = ANY ($2::bigint[])
)
