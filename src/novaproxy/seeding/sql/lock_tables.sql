-- The lock that every INSERT takes, before ids are drawn instead of after: the audit of what is new knows by it who holds
-- ids that are not committed yet. It stands in nobody's way.
LOCK TABLE orders, order_move, transfer IN ROW EXCLUSIVE MODE
