-- The records, each whole as JSON beside the columns that are searched. Times end with _ms: milliseconds since 1970, by
-- the clock that src/state names. The type is json and not jsonb, because a record comes back as it was written.

-- Events and notes take every second number, new actions the odd ones in between (src/state/postgres/numbers.rs).
create sequence numbers increment by 2 minvalue 2 start with 2;
create sequence blocks minvalue 0 start with 0;

-- The hash of each body, kept after the event is removed: a late repeat is still a duplicate.
create table receipts (
    owner bytea not null,
    hash bytea not null,
    seq bigint not null,
    repeats integer not null default 0,
    primary key (owner, hash)
);

create table events (
    seq bigint primary key,
    rkey bytea,
    lane smallint,
    response_id text,
    event text not null,
    received_ms bigint not null,
    state text not null,
    due_ms bigint,
    code text,
    record json not null,
    body bytea
);
create index events_of_response on events (rkey, seq);
create index events_due on events (lane, due_ms, seq) where state = 'waiting';
create index events_parked on events (seq) where state = 'parked';

create table notes (
    seq bigint primary key,
    rkey bytea not null,
    lane smallint not null,
    response_id text not null,
    due_ms bigint not null,
    attempts integer not null default 0,
    record json not null
);
create index notes_of_response on notes (rkey, seq);
create index notes_due on notes (lane, due_ms, seq);

-- One row for each conversation that was ever changed. Each change adds one to the version.
create table conversations (
    rkey bytea primary key,
    version bigint not null,
    response_id text not null,
    case_id text,
    case_number text,
    waiting_ms bigint,
    customer bigint,
    asked bigint[] not null default '{}',
    wishes bytea[] not null default '{}',
    link json
);
create index conversations_of_case on conversations (case_id) where case_id is not null;
create index conversations_waiting on conversations (waiting_ms) where waiting_ms is not null;

-- Which responses had an address, by its hash.
create table customers (
    hash bigint not null,
    rkey bytea not null,
    primary key (hash, rkey)
);

create table actions (
    seq bigint primary key,
    revision bigint not null default 1,
    rkey bytea not null,
    response_id text not null,
    case_id text not null,
    kind text not null,
    state text not null,
    is_open boolean not null,
    for_human boolean not null,
    seen_ms bigint not null,
    identity bytea not null,
    record json not null
);
create index actions_open on actions (rkey, seq) where is_open;
create index actions_for_human on actions (seq) where for_human;
create index actions_by_identity on actions (identity, seq);

create table attempts (
    lane smallint primary key,
    rkeys bytea[] not null
);

create table meta (
    name text primary key,
    value json
);

-- One row. A takeover changes the epoch, and waits for statements that hold the row by its epoch; a beat does not.
create table lease (
    only_one boolean primary key default true check (only_one),
    epoch bigint not null unique,
    beat bigint not null,
    holder text,
    released boolean not null,
    since timestamptz not null default now()
);
insert into lease (epoch, beat, released) values (0, 0, true);

create table instances (
    id text primary key,
    version text not null,
    mapping text not null,
    started_ms bigint not null,
    admin_addr text not null,
    seen timestamptz not null default now()
);

-- Written to find out whether a commit is possible.
create table probe (
    only_one boolean primary key default true check (only_one),
    writes bigint not null
);
insert into probe (writes) values (0);

create view parked as
    select 'action' as what, seq, response_id, case_id, kind, state, record -> 'state' ->> 'code' as code,
           to_timestamp((record -> 'state' ->> 'since_ms')::bigint / 1000.0) as since
    from actions where for_human
    union all
    select 'event', seq, response_id, null, event, state, code,
           to_timestamp((record -> 'state' ->> 'since_ms')::bigint / 1000.0)
    from events where state = 'parked';
