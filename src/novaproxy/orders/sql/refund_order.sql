-- Gives back what a failed order took, behind the locks of its account, its code and itself: the net price (a net of 0
-- made no entry and makes none), the place in the plan's limit, the use of the code. The caller compares the counts.
WITH sold AS (
    SELECT id, account_id, plan_id, discount_code_id, net_cents FROM orders WHERE id = $1
), repaid AS (
    UPDATE account
    SET balance_cents = account.balance_cents + sold.net_cents, ledger_version = account.ledger_version + 1
    FROM sold
    WHERE account.id = sold.account_id AND sold.net_cents > 0
    RETURNING account.id, account.ledger_version, account.balance_cents
), refunded AS (
    INSERT INTO transfer (account_id, debit_account_id, credit_account_id, amount_cents, kind, order_id, reason, actor,
                          version, balance_after_cents, created_at)
    SELECT repaid.id, 1, repaid.id, sold.net_cents, 'refund', sold.id, $2, $3,
           repaid.ledger_version, repaid.balance_cents, $4
    FROM repaid, sold
    RETURNING 1
), uncounted AS (
    UPDATE account_plan
    SET orders = account_plan.orders - 1
    FROM sold
    WHERE account_plan.account_id = sold.account_id AND account_plan.plan_id = sold.plan_id
    RETURNING 1
), unused AS (
    UPDATE discount_code
    SET uses = discount_code.uses - 1
    FROM sold
    WHERE discount_code.id = sold.discount_code_id
    RETURNING 1
), unused_by_account AS (
    UPDATE account_code
    SET uses = account_code.uses - 1
    FROM sold
    WHERE account_code.account_id = sold.account_id AND account_code.code_id = sold.discount_code_id
    RETURNING 1
)
SELECT (SELECT count(*) FROM refunded) AS refunds,
       (SELECT count(*) FROM uncounted) AS places,
       (SELECT count(*) FROM unused) AS uses,
       (SELECT count(*) FROM unused_by_account) AS account_uses
