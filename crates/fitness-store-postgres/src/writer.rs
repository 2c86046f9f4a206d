//! The one connection that writes, and one commit after the other.
//!
//! While anything is under way the connection is out of the writer. So if whoever waits for a commit stops
//! waiting, the connection is closed with it, and the server rolls back, or has committed already. What
//! comes next does so on another connection, under a higher epoch: what is left of the first one finds
//! its epoch gone, and lands no more.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use fitness_core::NodeId;
use fitness_store::Batch;
use tokio_postgres::types::ToSql;

use crate::claim::Trust;
use crate::connect::{Backend, Link};
use crate::error::Fault;
use crate::keeper::Ended;
use crate::shared::Shared;
use crate::write;

const BEGIN: &str = "BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE";

/// How often a transaction is tried again that got into another one's way.
const CONFLICTS: u32 = 3;

/// How many of our former connections are remembered.
const FORMER: usize = 16;

/// An observer that nobody else may write for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// What the row of claims says for as long as this is so.
    pub(crate) epoch: i64,
    /// The connection that has the lock.
    pub(crate) link: u64,
}

#[derive(Default)]
pub(crate) struct Writer {
    link: Option<Link>,
    /// How many connections there were.
    links: u64,
    /// Ours: if one of them still has a lock, the server has not noticed yet that we are gone.
    pub(crate) former: VecDeque<Backend>,
    pub(crate) held: HashMap<NodeId, Held>,
    /// The numbers of the claims that somebody has a token of.
    tokens: HashMap<NodeId, u64>,
}

/// How far a commit got that failed.
enum Failed {
    /// Nothing of the batch was sent.
    Before(Fault),
    Within(Fault),
}

impl Writer {
    /// Stores a batch.
    pub(crate) async fn commit(
        &mut self,
        shared: &Shared,
        observer: &NodeId,
        batch: &Arc<Batch>,
    ) -> Result<(), Fault> {
        let (mut conflicts, mut is_second_connection) = (0, false);
        loop {
            let link = self.take(shared).await?;
            let failed = match self.attempt(shared, &link, observer, batch).await {
                Ok(commits) => {
                    shared.know(observer, commits);
                    self.link = Some(link);
                    return Ok(());
                }
                Err(failed) => failed,
            };
            let (fault, nothing_sent) = match failed {
                Failed::Before(fault) => (link.why(fault), true),
                Failed::Within(fault) => (link.why(fault), false),
            };
            if fault.ends_the_connection() {
                // A connection that died while nobody used it is no news.
                if nothing_sent && !is_second_connection {
                    is_second_connection = true;
                    continue;
                }
                return Err(fault);
            }
            self.requeue(link).await;
            conflicts += 1;
            if !fault.is_conflict() || conflicts > CONFLICTS {
                return Err(fault);
            }
        }
    }

    async fn attempt(
        &mut self,
        shared: &Shared,
        link: &Link,
        observer: &NodeId,
        batch: &Arc<Batch>,
    ) -> Result<i64, Failed> {
        let commits = self.begin(shared, link, observer).await.map_err(Failed::Before)?;
        let write = async {
            write::batch(&link.client, &shared.sql, observer, batch).await?;
            link.client.batch_execute("COMMIT").await?;
            Ok(commits)
        };
        write.await.map_err(Failed::Within)
    }

    /// Begins a transaction in which nobody else can claim the observer, and returns its number.
    async fn begin(&mut self, shared: &Shared, link: &Link, observer: &NodeId) -> Result<i64, Fault> {
        let epoch = self.hold(shared, link, observer, Trust::IfNothingChanged).await?;
        let fence = link.client.prepare_cached(&shared.sql.fence).await?;
        let row = {
            let (id, session) = (&observer.0[..], &shared.session[..]);
            let params: [&(dyn ToSql + Sync); 3] = [&id, &session, &epoch];
            // The second is sent without waiting for the first.
            let (begun, fenced) =
                tokio::join!(link.client.batch_execute(BEGIN), link.client.query_opt(&fence, &params));
            begun?;
            fenced?
        };
        if let Some(row) = row {
            return Ok(row.try_get(0)?);
        }
        // In spite of our lock somebody has it: where there are no locks, whoever commits first does.
        link.client.batch_execute("ROLLBACK").await?;
        self.let_go(shared, link, observer).await?;
        Err(Fault::Overtaken)
    }

    /// LocalClaims an observer for a token of that number, for whoever reads after this.
    pub(crate) async fn claim(
        &mut self,
        shared: &Shared,
        observer: &NodeId,
        token: u64,
    ) -> Result<(), Fault> {
        let (mut conflicts, mut is_second_connection) = (0, false);
        loop {
            let link = self.take(shared).await?;
            let fault = match self.hold(shared, &link, observer, Trust::Always).await {
                Ok(_) => {
                    self.link = Some(link);
                    self.tokens.insert(*observer, token);
                    return Ok(());
                }
                Err(fault) => link.why(fault),
            };
            if fault.ends_the_connection() {
                if is_second_connection {
                    return Err(fault);
                }
                is_second_connection = true;
                continue;
            }
            self.requeue(link).await;
            conflicts += 1;
            if !fault.is_conflict() || conflicts > CONFLICTS {
                return Err(fault);
            }
        }
    }

    /// The token of that number is gone. Another one may have taken its place.
    pub(crate) async fn release(&mut self, shared: &Shared, observer: &NodeId, token: u64) {
        if self.tokens.get(observer) != Some(&token) {
            return;
        }
        self.tokens.remove(observer);
        let Some(link) = self.link.take() else {
            self.held.remove(observer);
            return;
        };
        // Where that fails the connection is closed, which lets go of everything.
        if self.let_go(shared, &link, observer).await.is_ok() {
            self.link = Some(link);
        }
    }

    /// Connects again where a connection was lost that had locks, and takes them again.
    pub(crate) async fn restore(&mut self, shared: &Shared) -> Result<(), Fault> {
        let current = self.link.as_ref().filter(|link| !link.client.is_closed()).map(|link| link.number);
        let lost = self.held.iter().filter(|(_, held)| Some(held.link) != current);
        let lost: Vec<NodeId> = lost.map(|(observer, _)| *observer).collect();
        if lost.is_empty() {
            return Ok(());
        }
        let link = self.take(shared).await?;
        for observer in lost {
            match self.hold(shared, &link, &observer, Trust::IfNothingChanged).await {
                Ok(_) => {}
                Err(Fault::Found(error)) => {
                    tracing::warn!(%observer, location = shared.location, %error, "lost the claim");
                }
                Err(fault) => return Err(link.why(fault)),
            }
        }
        self.link = Some(link);
        Ok(())
    }

    /// The connection, or a new one.
    async fn take(&mut self, shared: &Shared) -> Result<Link, Fault> {
        if let Some(link) = self.link.take().filter(|link| !link.client.is_closed()) {
            return Ok(link);
        }
        self.links += 1;
        let ended = Ended(shared.words.clone());
        let link = shared.connector.link(self.links, ended).await?;
        if self.links > 1 {
            tracing::debug!(location = shared.location, "connected again");
        }
        self.put(&link);
        Ok(link)
    }

    /// The first connection, made before there was a writer.
    pub(crate) fn starting_with(link: Link) -> Self {
        let mut writer = Self { links: link.number, ..Self::default() };
        writer.put(&link);
        writer.link = Some(link);
        writer
    }

    fn put(&mut self, link: &Link) {
        self.former.truncate(FORMER - 1);
        self.former.push_front(link.backend.clone());
    }

    /// Keeps a connection on which something failed, if nothing of it is left.
    async fn requeue(&mut self, link: Link) {
        if link.client.batch_execute("ROLLBACK").await.is_ok() {
            self.link = Some(link);
        }
    }
}

impl Link {
    /// The reason for a fault, where the connection has been told one.
    fn why(&self, fault: Fault) -> Fault {
        match (fault, self.lost()) {
            (Fault::Database(error), Some(reason)) if error.as_db_error().is_none() => {
                Fault::Lost(reason.to_owned())
            }
            (fault, _) => fault,
        }
    }
}
