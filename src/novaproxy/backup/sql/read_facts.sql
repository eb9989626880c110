-- What a shop holds, as of the snapshot of the transaction.
SELECT (SELECT count(*) FROM orders) AS orders,
       (SELECT count(*) FROM account WHERE kind = 'customer') AS accounts,
       GREATEST((SELECT max(created_at) FROM orders), (SELECT max(created_at) FROM transfer)) AS until,
       clock_timestamp() AS at
