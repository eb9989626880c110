-- one order is one debit of exactly its net price
SELECT format('order %s: net %s, charged %s in %s entries', COALESCE(orders.uuid::text, 'that is not there'),
              orders.net_cents, COALESCE(charges.cents, 0), COALESCE(charges.entries, 0)) AS breach
FROM orders
-- From both sides: an entry may have no order, too.
FULL JOIN (
    SELECT order_id, min(account_id) AS account_id, sum(amount_cents) AS cents, count(*) AS entries
    FROM transfer
    WHERE kind = 'charge'
    GROUP BY order_id
) AS charges ON charges.order_id = orders.id
WHERE orders.id IS NULL
   OR orders.net_cents <> orders.gross_cents - orders.discount_cents
   OR orders.gross_cents < 0 OR orders.discount_cents < 0 OR orders.net_cents < 0
   OR COALESCE(charges.cents, 0) <> orders.net_cents
   OR COALESCE(charges.entries, 0) <> (orders.net_cents > 0)::int
   OR charges.account_id <> orders.account_id
UNION ALL
SELECT format('account %s, entry %s: a %s of an order', account_id, version, kind)
FROM transfer
WHERE kind IN ('credit', 'debit') AND order_id IS NOT NULL
