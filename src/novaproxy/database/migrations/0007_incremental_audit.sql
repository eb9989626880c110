-- The audit of what is new: how far it came, and which of the two forms a run had.

ALTER TABLE audit_run
    ADD COLUMN form text NOT NULL DEFAULT 'whole' CHECK (form IN ('whole', 'new')),
    ADD COLUMN covered jsonb NOT NULL DEFAULT '{}';

COMMENT ON COLUMN audit_run.covered IS 'What the run looked at: {"orders": 1000, "accounts": 950, "entries": 1000}; of a whole one {}.';

-- One row at most. All rows with these ids and below were seen by an audit, and none with such an id can appear any more.
CREATE TABLE audit_mark (
    is_only         boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    order_id        bigint NOT NULL,
    order_move_id   bigint NOT NULL,
    transfer_id     bigint NOT NULL,
    account_move_id bigint NOT NULL,
    marked_at       timestamptz NOT NULL
);
