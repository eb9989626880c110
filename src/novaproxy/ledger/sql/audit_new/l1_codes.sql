-- the uses of a discount code are its redemptions, in total and per account, and within its limits
-- The uses by account are compared with the orders of the touched accounts; those of the others did not change, so that
-- their sum is what the code must count.
WITH redemption AS (
    SELECT orders.account_id, orders.discount_code_id, count(*) AS uses, max(orders.id) AS newest
    FROM touched
    JOIN orders ON orders.account_id = touched.id
    WHERE orders.discount_code_id IS NOT NULL AND orders.status NOT IN ('failed', 'invoice_expired')
    GROUP BY orders.account_id, orders.discount_code_id
), counted AS (
    SELECT account_code.account_id, account_code.code_id, account_code.uses
    FROM touched
    JOIN account_code ON account_code.account_id = touched.id
), code AS (
    SELECT DISTINCT orders.discount_code_id AS id
    FROM touched_order
    JOIN orders ON orders.id = touched_order.id
    WHERE orders.discount_code_id IS NOT NULL
), by_code AS (
    SELECT account_code.code_id, sum(account_code.uses) AS uses
    FROM account_code
    WHERE account_code.code_id IN (SELECT id FROM code)
    GROUP BY account_code.code_id
), newest_by_code AS (
    -- An older redemption, which only moved, counted against another revision's limit.
    SELECT DISTINCT ON (discount_code_id) discount_code_id, catalog_revision
    FROM new_order
    WHERE discount_code_id IS NOT NULL AND status NOT IN ('failed', 'invoice_expired')
    ORDER BY discount_code_id, id DESC
), allowed AS (
    SELECT catalog_revision.id AS revision, (code ->> 'id')::bigint AS code_id,
           (code ->> 'max_uses')::bigint AS uses, (code ->> 'max_uses_per_account')::bigint AS account_uses
    FROM catalog_revision, jsonb_array_elements(catalog_revision.document -> 'discount_codes') AS code
    WHERE catalog_revision.id IN (
        SELECT orders.catalog_revision FROM redemption JOIN orders ON orders.id = redemption.newest
        UNION SELECT catalog_revision FROM newest_by_code)
)
SELECT format('code %s: %s uses counted, %s redemptions', discount_code.code, discount_code.uses,
              COALESCE(by_code.uses, 0)) AS breach
FROM code
JOIN discount_code ON discount_code.id = code.id
LEFT JOIN by_code ON by_code.code_id = code.id
WHERE discount_code.uses <> COALESCE(by_code.uses, 0) OR discount_code.uses > discount_code.use_ceiling
UNION ALL
SELECT format('code %s: %s redemptions of %s', discount_code.id, discount_code.uses, allowed.uses)
FROM newest_by_code
JOIN discount_code ON discount_code.id = newest_by_code.discount_code_id
LEFT JOIN allowed ON allowed.revision = newest_by_code.catalog_revision AND allowed.code_id = discount_code.id
WHERE allowed.code_id IS NULL OR discount_code.uses > allowed.uses
UNION ALL
SELECT format('account %s, code %s: %s uses counted, %s redemptions', COALESCE(counted.account_id, redemption.account_id),
              COALESCE(counted.code_id, redemption.discount_code_id), COALESCE(counted.uses, 0),
              COALESCE(redemption.uses, 0))
FROM counted
FULL JOIN redemption ON redemption.account_id = counted.account_id AND redemption.discount_code_id = counted.code_id
WHERE COALESCE(counted.uses, 0) <> COALESCE(redemption.uses, 0)
UNION ALL
SELECT format('account %s, code %s: %s redemptions of %s', redemption.account_id, redemption.discount_code_id,
              redemption.uses, allowed.account_uses)
FROM redemption
JOIN orders ON orders.id = redemption.newest
JOIN allowed ON allowed.revision = orders.catalog_revision AND allowed.code_id = redemption.discount_code_id
WHERE redemption.uses > allowed.account_uses
