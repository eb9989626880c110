-- Whether a customer exists that was not seeded.
SELECT EXISTS (SELECT FROM account WHERE kind = 'customer' AND email_key NOT LIKE $1)
