//! Looks inside the database for what the remotes do not show: a write of an instance that does not work any more.
//!
//! Each instance has a role of its own. A trigger notes whose term began last, and another one compares it with who
//! changes a conversation, an action or a note. Doors change none of these.

use crate::daemon::INSTANCES;
use crate::database::Database;

const TRIGGERS: &str = "
    create schema judge;
    create table judge.works (only_one boolean primary key default true, who text not null);
    create table judge.stale (at timestamptz not null default now(), who text not null, what text not null);
    create function judge.note_term() returns trigger language plpgsql as $$ begin
        if new.epoch <> old.epoch then
            insert into judge.works (who) values (session_user)
            on conflict (only_one) do update set who = excluded.who;
        end if;
        return null;
    end $$;
    create function judge.note_stale() returns trigger language plpgsql as $$ begin
        if (select who from judge.works) not in (session_user, 'nobody') then
            insert into judge.stale (who, what) values (session_user, tg_op || ' of ' || tg_table_name);
        end if;
        return null;
    end $$;
    create trigger note_term after update on goodays.lease for each row execute function judge.note_term();
    create trigger note_stale after insert or update or delete on goodays.conversations
        for each row execute function judge.note_stale();
    create trigger note_stale after insert or update or delete on goodays.actions
        for each row execute function judge.note_stale();
    create trigger note_stale after insert or update or delete on goodays.notes
        for each row execute function judge.note_stale();
    insert into judge.works (who) values ('nobody');";

/// The role of an instance.
pub fn role(place: usize) -> String {
    format!("instance{place}")
}

/// Makes the roles, before the instances start.
pub async fn make_roles(database: &Database) -> anyhow::Result<()> {
    let roles: Vec<String> =
        (0..INSTANCES).map(|place| format!("create role {} superuser login;", role(place))).collect();
    database.run(&roles.concat()).await
}

/// Begins to watch, once the tables are there. What was written before is not looked at.
pub async fn begin(database: &Database) -> anyhow::Result<()> {
    database.run(TRIGGERS).await
}

/// The writes of instances that did not work any more.
pub async fn stale_writes(database: &Database) -> anyhow::Result<Vec<String>> {
    let rows = database
        .ask("select who, what, count(*) from judge.stale group by who, what order by 1, 2", &[])
        .await?;
    let line = |row: &tokio_postgres::Row| {
        let (who, what, count): (String, String, i64) = (row.get(0), row.get(1), row.get(2));
        format!("{who} wrote after another one had taken over: {what}, {count} times")
    };
    Ok(rows.iter().map(line).collect())
}
