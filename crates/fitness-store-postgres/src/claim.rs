//! One writer for each observer, of all that there are on this database.
//!
//! A lock of the server's keeps others out, and is gone with the connection that has it. A row, read and
//! written by each commit, keeps out what a lock cannot: a commit of ours from a connection that we gave
//! up, one of a store that was cut off and does not know that another has taken its place, and others
//! where there are no locks at all.

use fitness_core::NodeId;
use fitness_store::StoreError;
use tokio::time::{Duration, Instant};
use tokio_postgres::Row;

use crate::connect::{Backend, Link};
use crate::error::Fault;
use crate::shared::Shared;
use crate::writer::{Held, Writer};

/// How often one looks whether a lock is free.
const LOOK: Duration = Duration::from_millis(25);

/// Whether what the store has read may be gone on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// It will be read after this.
    Always,
    /// Where nobody else has stored anything since.
    IfNothingChanged,
}

/// What is known of who has a lock.
struct Holder {
    backend: Backend,
    described: String,
}

impl Writer {
    /// Makes sure that this connection has the observer, and returns under which epoch.
    pub(crate) async fn hold(
        &mut self,
        shared: &Shared,
        link: &Link,
        observer: &NodeId,
        trust: Trust,
    ) -> Result<i64, Fault> {
        match self.held.get(observer) {
            Some(held) if held.link == link.number => return Ok(held.epoch),
            _ => {}
        }
        self.lock(shared, link, observer).await?;
        match self.enter(shared, link, observer, trust).await {
            Ok(epoch) => {
                self.held.insert(*observer, Held { epoch, link: link.number });
                Ok(epoch)
            }
            Err(fault) => {
                if !fault.ends_the_connection() {
                    link.client.batch_execute("ROLLBACK").await?;
                    self.unlock(shared, link, observer).await?;
                }
                if matches!(fault, Fault::Found(_)) {
                    self.held.remove(observer);
                }
                Err(fault)
            }
        }
    }

    /// Gives an observer up.
    pub(crate) async fn let_go(
        &mut self,
        shared: &Shared,
        link: &Link,
        observer: &NodeId,
    ) -> Result<(), Fault> {
        match self.held.remove(observer) {
            Some(held) if held.link == link.number => self.unlock(shared, link, observer).await,
            _ => Ok(()),
        }
    }

    async fn unlock(&self, shared: &Shared, link: &Link, observer: &NodeId) -> Result<(), Fault> {
        let unlock = link.client.prepare_cached(&shared.sql.unlock).await?;
        link.client.query_one(&unlock, &[&shared.schema.observer_lock(observer)]).await?;
        Ok(())
    }

    /// Takes the lock. Whoever has it may be about to go: a process that ended takes the server a moment
    /// to notice, and we may be that process ourselves, on a former connection.
    async fn lock(&mut self, shared: &Shared, link: &Link, observer: &NodeId) -> Result<(), Fault> {
        let number = shared.schema.observer_lock(observer);
        let lock = link.client.prepare_cached(&shared.sql.lock).await?;
        let give_up = Instant::now() + shared.claim_timeout;
        loop {
            if link.client.query_one(&lock, &[&number]).await?.try_get(0)? {
                return Ok(());
            }
            if let Some(holder) = holder(shared, link, observer, number).await? {
                if self.former.contains(&holder.backend) {
                    end(shared, link, &holder.backend).await?;
                } else if Instant::now() >= give_up {
                    return Err(claimed(shared, observer, holder.described));
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Writes into the observer's row that it is ours, under an epoch that nobody has had.
    async fn enter(
        &mut self,
        shared: &Shared,
        link: &Link,
        observer: &NodeId,
        trust: Trust,
    ) -> Result<i64, Fault> {
        let client = &link.client;
        let found = client.prepare_cached(&shared.sql.claim_found).await?;
        let claim = client.prepare_cached(&shared.sql.claim).await?;
        client.batch_execute("BEGIN TRANSACTION READ WRITE").await?;
        let row = client.query_opt(&found, &[&&observer.0[..]]).await?;
        let found = row.map(|row| Found::read(&row)).transpose()?;
        let (held, known) = (self.held.get(observer), shared.known(observer));
        if let Some(found) = &found {
            // Nobody came in between, or nobody who stored anything.
            let is_unchanged = held.is_some() && found.session == shared.session
                || found.writer == shared.session
                || known.is_none_or(|known| known == found.commits);
            if trust == Trust::IfNothingChanged && !is_unchanged {
                let by =
                    format!("{:?}, which has stored a part of it since this store read it", found.holder);
                return Err(claimed(shared, observer, by));
            }
        }
        let found_commits = found.map_or(0, |found| found.commits);
        let next = held.map_or(0, |held| held.epoch) + 1;
        let (id, session, nobody) = (&observer.0[..], &shared.session[..], &b""[..]);
        let row = client
            .query_one(&claim, &[&id, &session, &next, &found_commits, &nobody, &shared.application])
            .await?;
        let (epoch, commits): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        if commits != found_commits {
            // There was no row, which nobody can lock; now there is one, and something has been stored.
            return Err(Fault::Overtaken);
        }
        client.batch_execute("COMMIT").await?;
        let lost = known.unwrap_or(0) - commits;
        if held.is_some() && lost > 0 {
            tracing::warn!(
                %observer,
                location = shared.location,
                lost,
                "the database has lost commits that it acknowledged: it is a copy that was behind, or an old one"
            );
        }
        shared.know(observer, commits);
        Ok(epoch)
    }
}

/// The row of claims that there is.
struct Found {
    session: Vec<u8>,
    commits: i64,
    writer: Vec<u8>,
    holder: String,
}

impl Found {
    fn read(row: &Row) -> Result<Self, Fault> {
        Ok(Self {
            session: row.try_get("session")?,
            commits: row.try_get("commits")?,
            writer: row.try_get("writer")?,
            holder: row.try_get("holder")?,
        })
    }
}

fn claimed(shared: &Shared, observer: &NodeId, by: String) -> Fault {
    Fault::from(StoreError::Claimed { observer: *observer, location: shared.location.clone(), holder: by })
}

/// Who has the lock of an observer, as far as this role may know.
async fn holder(shared: &Shared, link: &Link, observer: &NodeId, lock: i64) -> Result<Option<Holder>, Fault> {
    let statement = link.client.prepare_cached(&shared.sql.holder).await?;
    let (high, low) = (lock >> 32 & 0xffff_ffff, lock & 0xffff_ffff);
    let rows = link.client.query(&statement, &[&high, &low, &&observer.0[..]]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let pid: i32 = row.try_get(0)?;
    let text = |column: usize| row.try_get::<_, Option<String>>(column);
    let (started, application, user, address, since) = (text(1)?, text(2)?, text(3)?, text(4)?, text(5)?);
    let described = format!(
        "{:?} of user {} at {} since {} (server process {pid})",
        application.unwrap_or_default(),
        user.as_deref().unwrap_or("unknown"),
        address.as_deref().unwrap_or("an unknown address or a socket"),
        since.as_deref().unwrap_or("just now"),
    );
    Ok(Some(Holder { backend: Backend { pid, started }, described }))
}

/// Ends a former connection of ours that the server still takes for alive.
async fn end(shared: &Shared, link: &Link, backend: &Backend) -> Result<(), Fault> {
    tracing::debug!(location = shared.location, pid = backend.pid, "ending a former connection of ours");
    let statement = link.client.prepare_cached(&shared.sql.terminate).await?;
    link.client.query(&statement, &[&backend.pid, &backend.started]).await?;
    Ok(())
}
