-- A new customer. The unique key on email_key refuses a second account that differs by case alone, also of two at once.
INSERT INTO account (uuid, kind, email, email_key, name, balance_cents) VALUES ($1, 'customer', $2, $3, $4, 0)
