-- the uses of a discount code are its redemptions, in total and per account, and within its limits
WITH redemption AS (
    SELECT id, account_id, discount_code_id, catalog_revision
    FROM orders
    WHERE discount_code_id IS NOT NULL AND status NOT IN ('failed', 'invoice_expired')
), by_code AS (
    SELECT discount_code_id, count(*) AS uses, max(id) AS newest FROM redemption GROUP BY discount_code_id
), by_account AS (
    SELECT account_id, discount_code_id, count(*) AS uses, max(id) AS newest
    FROM redemption
    GROUP BY account_id, discount_code_id
), allowed AS (
    -- The limits of the revision that the newest redemption was decided on: what came before it counted against them.
    SELECT catalog_revision.id AS revision, (code ->> 'id')::bigint AS code_id,
           (code ->> 'max_uses')::bigint AS uses, (code ->> 'max_uses_per_account')::bigint AS account_uses
    FROM catalog_revision, jsonb_array_elements(catalog_revision.document -> 'discount_codes') AS code
)
SELECT format('code %s: %s uses counted, %s redemptions', discount_code.code, discount_code.uses,
              COALESCE(by_code.uses, 0)) AS breach
FROM discount_code
LEFT JOIN by_code ON by_code.discount_code_id = discount_code.id
WHERE discount_code.uses <> COALESCE(by_code.uses, 0)
UNION ALL
SELECT format('code %s: %s redemptions of %s', by_code.discount_code_id, by_code.uses, allowed.uses)
FROM by_code
JOIN redemption ON redemption.id = by_code.newest
LEFT JOIN allowed ON allowed.revision = redemption.catalog_revision AND allowed.code_id = by_code.discount_code_id
WHERE allowed.code_id IS NULL OR by_code.uses > allowed.uses
UNION ALL
SELECT format('account %s, code %s: %s uses counted, %s redemptions', COALESCE(account_code.account_id, by_account.account_id),
              COALESCE(account_code.code_id, by_account.discount_code_id), COALESCE(account_code.uses, 0),
              COALESCE(by_account.uses, 0))
FROM account_code
FULL JOIN by_account ON by_account.account_id = account_code.account_id
                    AND by_account.discount_code_id = account_code.code_id
WHERE COALESCE(account_code.uses, 0) <> COALESCE(by_account.uses, 0)
UNION ALL
SELECT format('account %s, code %s: %s redemptions of %s', by_account.account_id, by_account.discount_code_id,
              by_account.uses, allowed.account_uses)
FROM by_account
JOIN redemption ON redemption.id = by_account.newest
JOIN allowed ON allowed.revision = redemption.catalog_revision AND allowed.code_id = by_account.discount_code_id
WHERE by_account.uses > allowed.account_uses
UNION ALL
SELECT format('code %s: %s uses, of %s at most', code, uses, use_ceiling)
FROM discount_code
WHERE uses > use_ceiling
