-- What the operator's side of the shop needs: moves of accounts, orders that run out, orders that wait for delivery,
-- what the last audits found.

-- One row a change of an account's status, as order_move is for orders.
CREATE TABLE account_move (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id  bigint NOT NULL REFERENCES account,
    from_status text NOT NULL,
    to_status   text NOT NULL,
    cause       text NOT NULL CHECK (length(cause) BETWEEN 1 AND 500),
    actor       text NOT NULL,
    created_at  timestamptz NOT NULL,
    CONSTRAINT account_move_is_legal CHECK ((from_status, to_status) IN (('active', 'suspended'), ('suspended', 'active')))
);

CREATE INDEX account_move_account ON account_move (account_id, id);

CREATE TRIGGER account_move_only_inserted BEFORE UPDATE OR DELETE OR TRUNCATE ON account_move
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();

ALTER TABLE order_move ADD CONSTRAINT order_move_has_cause CHECK (length(cause) BETWEEN 1 AND 500);

-- Small indexes of what waits: the next orders to expire, and those to be delivered by hand. Orders leave them as they
-- move on, so both stay as small as the work that is left.
CREATE INDEX orders_running_out ON orders (expires_at)
    WHERE status IN ('active', 'inactive') AND expires_at IS NOT NULL;
CREATE INDEX orders_to_deliver ON orders (id) WHERE status = 'pending';

-- What each audit by the service found; the metrics tell the newest one.
CREATE TABLE audit_run (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz NOT NULL CHECK (finished_at >= started_at),
    findings    jsonb NOT NULL,
    breaches    bigint NOT NULL CHECK (breaches >= 0)
);

COMMENT ON COLUMN audit_run.findings IS 'The breaches counted of each invariant, by its id: {"M1": 0, ...}.';
