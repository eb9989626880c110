-- Which of these orders were committed. Asked only after lock_accounts, in a statement of its own.
SELECT uuid FROM orders WHERE uuid = ANY ($1::uuid[])
