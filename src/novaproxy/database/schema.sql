-- The schema that all migrations together make. Written by tests/database/write_schema.py; not run by anything.

CREATE FUNCTION public.load_order_batch(token_hashes bytea[], keys text[], codes text[]) RETURNS TABLE(slot bigint, decided_at timestamp with time zone, revision integer, catalog_applied_at timestamp with time zone, account_id bigint, balance_cents bigint, ledger_version bigint, plan_ids bigint[], plan_orders bigint[], key_order_uuid uuid, key_request_hash bytea, code_id bigint, code_uses bigint, account_code_uses bigint)
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
DECLARE
    after_the_wait timestamptz;
    current_revision integer;
    current_applied_at timestamptz;
    locked_accounts bigint[];
    locked_codes bigint[];
BEGIN
    locked_accounts := ARRAY(
        SELECT account.id FROM account
        WHERE account.id = ANY (ARRAY(SELECT api_token.account_id FROM api_token
                                      WHERE api_token.token_hash = ANY (token_hashes) AND api_token.revoked_at IS NULL))
        ORDER BY account.id
        FOR NO KEY UPDATE);

    locked_codes := ARRAY(
        SELECT discount_code.id FROM discount_code
        WHERE lower(discount_code.code COLLATE "C") = ANY (codes)
        ORDER BY discount_code.id
        FOR NO KEY UPDATE);

    after_the_wait := clock_timestamp();
    SELECT catalog_revision.id, catalog_revision.created_at INTO current_revision, current_applied_at
    FROM catalog_revision
    ORDER BY catalog_revision.id DESC
    LIMIT 1;

    RETURN QUERY
    SELECT ask.slot, after_the_wait, current_revision, current_applied_at,
           account.id, account.balance_cents, account.ledger_version,
           ARRAY(SELECT account_plan.plan_id FROM account_plan
                 WHERE account_plan.account_id = account.id ORDER BY account_plan.plan_id),
           ARRAY(SELECT account_plan.orders FROM account_plan
                 WHERE account_plan.account_id = account.id ORDER BY account_plan.plan_id),
           earlier.uuid, earlier.request_hash,
           discount_code.id, discount_code.uses, COALESCE(account_code.uses, 0)
    FROM unnest(token_hashes, keys, codes) WITH ORDINALITY AS ask (token_hash, key, code, slot)
    LEFT JOIN api_token ON api_token.token_hash = ask.token_hash AND api_token.revoked_at IS NULL
    LEFT JOIN account ON account.id = api_token.account_id AND account.status = 'active'
                     AND account.id = ANY (locked_accounts)
    LEFT JOIN orders AS earlier ON earlier.account_id = account.id AND earlier.idempotency_key = ask.key
    LEFT JOIN discount_code ON lower(discount_code.code COLLATE "C") = ask.code
                           AND discount_code.id = ANY (locked_codes)
    LEFT JOIN account_code ON account_code.account_id = account.id AND account_code.code_id = discount_code.id;
END
$$;

CREATE FUNCTION public.refuse_rewriting() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION '% rows are only ever inserted', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TABLE public.account (
    id bigint NOT NULL,
    uuid uuid NOT NULL,
    kind text NOT NULL,
    email text,
    email_key text,
    name text NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    balance_cents bigint,
    ledger_version bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT account_balance_cents_check CHECK (((balance_cents >= 0) AND (balance_cents <= '999999999999'::bigint))),
    CONSTRAINT account_email_check CHECK (((length(email) >= 3) AND (length(email) <= 254))),
    CONSTRAINT account_house_has_no_balance CHECK (((kind = 'customer'::text) = (balance_cents IS NOT NULL))),
    CONSTRAINT account_house_has_no_email CHECK (((kind = 'customer'::text) = ((email IS NOT NULL) AND (email_key IS NOT NULL)))),
    CONSTRAINT account_kind_check CHECK ((kind = ANY (ARRAY['customer'::text, 'house'::text]))),
    CONSTRAINT account_ledger_version_check CHECK ((ledger_version >= 0)),
    CONSTRAINT account_name_check CHECK ((length(name) <= 200)),
    CONSTRAINT account_status_check CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text])))
)
WITH (fillfactor='70');

COMMENT ON COLUMN public.account.email_key IS 'The e-mail folded to one case: no two accounts differ by case alone.';

CREATE TABLE public.account_code (
    account_id bigint NOT NULL,
    code_id bigint NOT NULL,
    uses bigint NOT NULL,
    CONSTRAINT account_code_uses_check CHECK ((uses >= 0))
)
WITH (fillfactor='70');

ALTER TABLE public.account ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.account_id_seq
    START WITH 1001
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.account_move (
    id bigint NOT NULL,
    account_id bigint NOT NULL,
    from_status text NOT NULL,
    to_status text NOT NULL,
    cause text NOT NULL,
    actor text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT account_move_cause_check CHECK (((length(cause) >= 1) AND (length(cause) <= 500))),
    CONSTRAINT account_move_is_legal CHECK ((((from_status = 'active'::text) AND (to_status = 'suspended'::text)) OR ((from_status = 'suspended'::text) AND (to_status = 'active'::text))))
);

ALTER TABLE public.account_move ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.account_move_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.account_plan (
    account_id bigint NOT NULL,
    plan_id bigint NOT NULL,
    orders bigint NOT NULL,
    CONSTRAINT account_plan_orders_check CHECK ((orders >= 0))
)
WITH (fillfactor='70');

COMMENT ON COLUMN public.account_plan.orders IS 'Orders that count against the plan''s limit: all but failed and invoice_expired.';

CREATE TABLE public.api_token (
    id bigint NOT NULL,
    account_id bigint NOT NULL,
    name text NOT NULL,
    token_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    revoked_at timestamp with time zone,
    CONSTRAINT api_token_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
    CONSTRAINT api_token_token_hash_check CHECK ((length(token_hash) = 32))
);

COMMENT ON COLUMN public.api_token.token_hash IS 'SHA-256 of the token; the token itself is kept nowhere.';

ALTER TABLE public.api_token ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.api_token_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.audit_mark (
    is_only boolean DEFAULT true NOT NULL,
    order_id bigint NOT NULL,
    order_move_id bigint NOT NULL,
    transfer_id bigint NOT NULL,
    account_move_id bigint NOT NULL,
    marked_at timestamp with time zone NOT NULL,
    CONSTRAINT audit_mark_is_only_check CHECK (is_only)
);

CREATE TABLE public.audit_run (
    id bigint NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    findings jsonb NOT NULL,
    breaches bigint NOT NULL,
    form text DEFAULT 'whole'::text NOT NULL,
    covered jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT audit_run_breaches_check CHECK ((breaches >= 0)),
    CONSTRAINT audit_run_check CHECK ((finished_at >= started_at)),
    CONSTRAINT audit_run_form_check CHECK ((form = ANY (ARRAY['whole'::text, 'new'::text])))
);

COMMENT ON COLUMN public.audit_run.findings IS 'The breaches counted of each invariant, by its id: {"M1": 0, ...}.';

COMMENT ON COLUMN public.audit_run.covered IS 'What the run looked at: {"orders": 1000, "accounts": 950, "entries": 1000}; of a whole one {}.';

ALTER TABLE public.audit_run ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_run_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.catalog_revision (
    id integer NOT NULL,
    document jsonb NOT NULL,
    actor text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT catalog_revision_id_check CHECK ((id > 0))
);

CREATE TABLE public.discount_code (
    id bigint NOT NULL,
    code text NOT NULL,
    uses bigint DEFAULT 0 NOT NULL,
    use_ceiling bigint,
    CONSTRAINT discount_code_code_check CHECK ((code ~ '^[A-Za-z0-9_-]{1,64}$'::text)),
    CONSTRAINT discount_code_uses_check CHECK ((uses >= 0)),
    CONSTRAINT discount_code_within_ceiling CHECK ((uses <= use_ceiling))
)
WITH (fillfactor='70');

COMMENT ON COLUMN public.discount_code.use_ceiling IS 'max_uses, or the uses so far where max_uses was lowered below them; null is no limit. The last guard behind the rule.';

ALTER TABLE public.discount_code ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.discount_code_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.meter (
    order_id bigint NOT NULL,
    account_id bigint NOT NULL,
    initial_bytes bigint,
    consumed_bytes bigint DEFAULT 0 NOT NULL,
    leased_bytes bigint DEFAULT 0 NOT NULL,
    CONSTRAINT meter_consumed_bytes_check CHECK ((consumed_bytes >= 0)),
    CONSTRAINT meter_initial_bytes_check CHECK ((initial_bytes > 0)),
    CONSTRAINT meter_leased_bytes_check CHECK ((leased_bytes >= 0)),
    CONSTRAINT meter_within_initial CHECK (((consumed_bytes + leased_bytes) <= initial_bytes))
)
WITH (fillfactor='70');

COMMENT ON COLUMN public.meter.initial_bytes IS 'What was bought; null: unmetered.';

CREATE TABLE public.order_move (
    id bigint NOT NULL,
    account_id bigint NOT NULL,
    order_id bigint NOT NULL,
    from_status text NOT NULL,
    to_status text NOT NULL,
    cause text NOT NULL,
    actor text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT order_move_has_cause CHECK (((length(cause) >= 1) AND (length(cause) <= 500))),
    CONSTRAINT order_move_is_legal CHECK (((((((((((((((from_status = 'awaiting_payment'::text) AND (to_status = 'pending'::text)) OR ((from_status = 'awaiting_payment'::text) AND (to_status = 'active'::text))) OR ((from_status = 'awaiting_payment'::text) AND (to_status = 'invoice_expired'::text))) OR ((from_status = 'pending'::text) AND (to_status = 'active'::text))) OR ((from_status = 'pending'::text) AND (to_status = 'failed'::text))) OR ((from_status = 'active'::text) AND (to_status = 'inactive'::text))) OR ((from_status = 'active'::text) AND (to_status = 'expired'::text))) OR ((from_status = 'active'::text) AND (to_status = 'exhausted'::text))) OR ((from_status = 'inactive'::text) AND (to_status = 'active'::text))) OR ((from_status = 'inactive'::text) AND (to_status = 'expired'::text))) OR ((from_status = 'expired'::text) AND (to_status = 'active'::text))) OR ((from_status = 'exhausted'::text) AND (to_status = 'active'::text))) OR ((from_status = 'exhausted'::text) AND (to_status = 'expired'::text))))
);

ALTER TABLE public.order_move ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.order_move_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.orders (
    id bigint NOT NULL,
    uuid uuid NOT NULL,
    account_id bigint NOT NULL,
    plan_id bigint NOT NULL,
    catalog_revision integer NOT NULL,
    status text NOT NULL,
    gross_cents bigint NOT NULL,
    discount_cents bigint NOT NULL,
    net_cents bigint NOT NULL,
    discount_code_id bigint,
    bandwidth_gb integer,
    term text,
    options json DEFAULT '[]'::json NOT NULL,
    idempotency_key text,
    request_hash bytea,
    username text,
    password_sealed bytea,
    sealing_key_id smallint,
    expires_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT orders_bandwidth_gb_check CHECK (((bandwidth_gb >= 1) AND (bandwidth_gb <= 8388608))),
    CONSTRAINT orders_credentials_fit_status CHECK (
CASE
    WHEN (status = ANY (ARRAY['awaiting_payment'::text, 'pending'::text, 'invoice_expired'::text])) THEN (username IS NULL)
    WHEN (status = 'failed'::text) THEN true
    ELSE (username IS NOT NULL)
END),
    CONSTRAINT orders_credentials_whole CHECK ((num_nulls(username, password_sealed, sealing_key_id) = ANY (ARRAY[0, 3]))),
    CONSTRAINT orders_discount_cents_check CHECK ((discount_cents >= 0)),
    CONSTRAINT orders_discount_has_code CHECK (((discount_cents = 0) OR (discount_code_id IS NOT NULL))),
    CONSTRAINT orders_expires_at_check CHECK ((date_trunc('second'::text, expires_at, 'UTC'::text) = expires_at)),
    CONSTRAINT orders_gross_cents_check CHECK (((gross_cents >= 0) AND (gross_cents <= '999999999999'::bigint))),
    CONSTRAINT orders_idempotency_key_check CHECK (((length(idempotency_key) >= 1) AND (length(idempotency_key) <= 255))),
    CONSTRAINT orders_key_has_hash CHECK (((idempotency_key IS NULL) = (request_hash IS NULL))),
    CONSTRAINT orders_net_cents_check CHECK ((net_cents >= 0)),
    CONSTRAINT orders_net_is_gross_less_discount CHECK ((net_cents = (gross_cents - discount_cents))),
    CONSTRAINT orders_request_hash_check CHECK ((length(request_hash) = 32)),
    CONSTRAINT orders_sells_traffic_or_time CHECK (((bandwidth_gb IS NOT NULL) OR (term IS NOT NULL))),
    CONSTRAINT orders_status_check CHECK ((status = ANY (ARRAY['awaiting_payment'::text, 'active'::text, 'inactive'::text, 'expired'::text, 'exhausted'::text, 'pending'::text, 'failed'::text, 'invoice_expired'::text]))),
    CONSTRAINT orders_username_check CHECK ((username ~ '^[a-z0-9]{15}$'::text))
);

COMMENT ON COLUMN public.orders.term IS 'The duration as sold, or a bandwidth plan''s validity as sold; null: the order does not expire.';

COMMENT ON COLUMN public.orders.options IS 'The resolved choices as they were shown when sold; json, not jsonb, so that every later answer is the same text.';

ALTER TABLE public.orders ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.orders_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.plan (
    id bigint NOT NULL,
    slug text NOT NULL,
    type text NOT NULL,
    CONSTRAINT plan_type_check CHECK ((type = ANY (ARRAY['bandwidth'::text, 'duration'::text])))
);

CREATE TABLE public.plan_duration (
    id bigint NOT NULL,
    plan_id bigint NOT NULL,
    slug text NOT NULL
);

ALTER TABLE public.plan_duration ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.plan_duration_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.plan ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.plan_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.plan_option (
    id bigint NOT NULL,
    duration_id bigint NOT NULL,
    name text NOT NULL
);

ALTER TABLE public.plan_option ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.plan_option_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.plan_tier (
    id bigint NOT NULL,
    plan_id bigint NOT NULL,
    bandwidth_gb integer NOT NULL,
    CONSTRAINT plan_tier_bandwidth_gb_check CHECK ((bandwidth_gb > 0))
);

ALTER TABLE public.plan_tier ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.plan_tier_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.schema_grant (
    role_name text NOT NULL,
    checksum text NOT NULL,
    granted_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.schema_migration (
    version integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.sealing_key (
    id smallint NOT NULL,
    fingerprint bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT sealing_key_fingerprint_check CHECK ((length(fingerprint) = 32))
);

ALTER TABLE public.sealing_key ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.sealing_key_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.transfer (
    id bigint NOT NULL,
    account_id bigint NOT NULL,
    debit_account_id bigint NOT NULL,
    credit_account_id bigint NOT NULL,
    amount_cents bigint NOT NULL,
    kind text NOT NULL,
    order_id bigint,
    reason text,
    reference text,
    actor text NOT NULL,
    version bigint NOT NULL,
    balance_after_cents bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT transfer_amount_cents_check CHECK ((amount_cents > 0)),
    CONSTRAINT transfer_balance_after_cents_check CHECK (((balance_after_cents >= 0) AND (balance_after_cents <= '999999999999'::bigint))),
    CONSTRAINT transfer_is_a_customers CHECK ((account_id > 1000)),
    CONSTRAINT transfer_order_fits_kind CHECK (((kind = ANY (ARRAY['charge'::text, 'refund'::text])) = (order_id IS NOT NULL))),
    CONSTRAINT transfer_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 500))),
    CONSTRAINT transfer_reference_check CHECK (((length(reference) >= 1) AND (length(reference) <= 200))),
    CONSTRAINT transfer_sides CHECK (
CASE kind
    WHEN 'credit'::text THEN ((debit_account_id = 2) AND (credit_account_id = account_id))
    WHEN 'debit'::text THEN ((debit_account_id = account_id) AND (credit_account_id = 3))
    WHEN 'charge'::text THEN ((debit_account_id = account_id) AND (credit_account_id = 1))
    WHEN 'refund'::text THEN ((debit_account_id = 1) AND (credit_account_id = account_id))
    ELSE false
END),
    CONSTRAINT transfer_version_check CHECK ((version > 0))
);

ALTER TABLE public.transfer ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.transfer_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE ONLY public.account_code
    ADD CONSTRAINT account_code_pkey PRIMARY KEY (account_id, code_id);

ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_email_key_key UNIQUE (email_key);

ALTER TABLE ONLY public.account_move
    ADD CONSTRAINT account_move_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.account_plan
    ADD CONSTRAINT account_plan_pkey PRIMARY KEY (account_id, plan_id);

ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_uuid_key UNIQUE (uuid);

ALTER TABLE ONLY public.api_token
    ADD CONSTRAINT api_token_account_id_name_key UNIQUE (account_id, name);

ALTER TABLE ONLY public.api_token
    ADD CONSTRAINT api_token_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.api_token
    ADD CONSTRAINT api_token_token_hash_key UNIQUE (token_hash);

ALTER TABLE ONLY public.audit_mark
    ADD CONSTRAINT audit_mark_pkey PRIMARY KEY (is_only);

ALTER TABLE ONLY public.audit_run
    ADD CONSTRAINT audit_run_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.catalog_revision
    ADD CONSTRAINT catalog_revision_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.discount_code
    ADD CONSTRAINT discount_code_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.meter
    ADD CONSTRAINT meter_pkey PRIMARY KEY (order_id);

ALTER TABLE ONLY public.order_move
    ADD CONSTRAINT order_move_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_username_key UNIQUE (username);

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_uuid_key UNIQUE (uuid);

ALTER TABLE ONLY public.plan_duration
    ADD CONSTRAINT plan_duration_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.plan_duration
    ADD CONSTRAINT plan_duration_plan_id_slug_key UNIQUE (plan_id, slug);

ALTER TABLE ONLY public.plan_option
    ADD CONSTRAINT plan_option_duration_id_name_key UNIQUE (duration_id, name);

ALTER TABLE ONLY public.plan_option
    ADD CONSTRAINT plan_option_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.plan
    ADD CONSTRAINT plan_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.plan
    ADD CONSTRAINT plan_slug_key UNIQUE (slug);

ALTER TABLE ONLY public.plan_tier
    ADD CONSTRAINT plan_tier_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.plan_tier
    ADD CONSTRAINT plan_tier_plan_id_bandwidth_gb_key UNIQUE (plan_id, bandwidth_gb);

ALTER TABLE ONLY public.schema_grant
    ADD CONSTRAINT schema_grant_pkey PRIMARY KEY (role_name);

ALTER TABLE ONLY public.schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.sealing_key
    ADD CONSTRAINT sealing_key_fingerprint_key UNIQUE (fingerprint);

ALTER TABLE ONLY public.sealing_key
    ADD CONSTRAINT sealing_key_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.transfer
    ADD CONSTRAINT transfer_account_id_version_key UNIQUE (account_id, version);

ALTER TABLE ONLY public.transfer
    ADD CONSTRAINT transfer_pkey PRIMARY KEY (id);

CREATE INDEX account_move_account ON public.account_move USING btree (account_id, id);

CREATE UNIQUE INDEX discount_code_code_key ON public.discount_code USING btree (lower((code COLLATE "C")));

CREATE INDEX order_move_order ON public.order_move USING btree (order_id, id);

CREATE UNIQUE INDEX orders_account_idempotency_key ON public.orders USING btree (account_id, idempotency_key) WHERE (idempotency_key IS NOT NULL);

CREATE INDEX orders_account_newest ON public.orders USING btree (account_id, created_at DESC, id DESC);

CREATE INDEX orders_running_out ON public.orders USING btree (expires_at) WHERE ((status = ANY (ARRAY['active'::text, 'inactive'::text])) AND (expires_at IS NOT NULL));

CREATE INDEX orders_to_deliver ON public.orders USING btree (id) WHERE (status = 'pending'::text);

CREATE UNIQUE INDEX transfer_account_reference ON public.transfer USING btree (account_id, reference) WHERE (reference IS NOT NULL);

CREATE UNIQUE INDEX transfer_order_kind ON public.transfer USING btree (order_id, kind) WHERE (order_id IS NOT NULL);

CREATE TRIGGER account_move_only_inserted BEFORE DELETE OR UPDATE OR TRUNCATE ON public.account_move FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_rewriting();

CREATE TRIGGER catalog_revision_only_inserted BEFORE DELETE OR UPDATE OR TRUNCATE ON public.catalog_revision FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_rewriting();

CREATE TRIGGER order_move_only_inserted BEFORE DELETE OR UPDATE OR TRUNCATE ON public.order_move FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_rewriting();

CREATE TRIGGER transfer_only_inserted BEFORE DELETE OR UPDATE OR TRUNCATE ON public.transfer FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_rewriting();

ALTER TABLE ONLY public.account_code
    ADD CONSTRAINT account_code_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.account_code
    ADD CONSTRAINT account_code_code_id_fkey FOREIGN KEY (code_id) REFERENCES public.discount_code(id);

ALTER TABLE ONLY public.account_move
    ADD CONSTRAINT account_move_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.account_plan
    ADD CONSTRAINT account_plan_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.account_plan
    ADD CONSTRAINT account_plan_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES public.plan(id);

ALTER TABLE ONLY public.api_token
    ADD CONSTRAINT api_token_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.meter
    ADD CONSTRAINT meter_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(id);

ALTER TABLE ONLY public.order_move
    ADD CONSTRAINT order_move_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.order_move
    ADD CONSTRAINT order_move_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(id);

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_catalog_revision_fkey FOREIGN KEY (catalog_revision) REFERENCES public.catalog_revision(id);

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_discount_code_id_fkey FOREIGN KEY (discount_code_id) REFERENCES public.discount_code(id);

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES public.plan(id);

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_sealing_key_id_fkey FOREIGN KEY (sealing_key_id) REFERENCES public.sealing_key(id);

ALTER TABLE ONLY public.plan_duration
    ADD CONSTRAINT plan_duration_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES public.plan(id);

ALTER TABLE ONLY public.plan_option
    ADD CONSTRAINT plan_option_duration_id_fkey FOREIGN KEY (duration_id) REFERENCES public.plan_duration(id);

ALTER TABLE ONLY public.plan_tier
    ADD CONSTRAINT plan_tier_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES public.plan(id);

ALTER TABLE ONLY public.transfer
    ADD CONSTRAINT transfer_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.transfer
    ADD CONSTRAINT transfer_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(id);
