-- The account behind a token, by the unique index on its hash. There is no cache of tokens: a revocation acts at once.
SELECT account.id, account.uuid, account.email, account.name, account.balance_cents
FROM api_token
JOIN account ON account.id = api_token.account_id
WHERE api_token.token_hash = $1 AND api_token.revoked_at IS NULL AND account.status = 'active'
