-- Locks one account; whoever moves its money waits here, and reads only afterwards.
SELECT balance_cents, ledger_version FROM account WHERE id = $1 AND kind = 'customer' FOR NO KEY UPDATE
