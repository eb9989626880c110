-- Charges what gateway $1 had reserved; false where it has ended already.
SELECT lose_gateway($1)
