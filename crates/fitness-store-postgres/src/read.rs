//! Questions, each answered from one statement, so that no answer has a part of a batch.

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object, Pool};
use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};
use fitness_store::StoreError;
use fitness_store::codec::{
    RecordError, RecordKey, decode_gap, decode_observer, decode_peer, decode_segment,
};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::error::Fault;
use crate::shared::limited;
use crate::sql::Sql;

type Params<'p> = &'p [&'p (dyn ToSql + Sync)];

/// Who answers.
pub(crate) struct Reader<'r> {
    pub(crate) pool: &'r Pool,
    pub(crate) sql: &'r Sql,
    pub(crate) location: &'r str,
    /// How long an answer is waited for.
    pub(crate) limit: Duration,
}

impl Reader<'_> {
    /// One more try on a new connection, where the one that there was turns out to be gone.
    async fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Fault> {
        let mut first = true;
        loop {
            let client = self.pool.get().await?;
            let fault = match limited(self.limit, ask(&client, sql, params)).await {
                Ok(rows) => return Ok(rows),
                Err(fault) => fault,
            };
            if !fault.ends_the_connection() {
                return Err(fault);
            }
            drop(Object::take(client));
            // Most likely the others were lost with it, and have not noticed.
            self.pool.retain(|_, _| false);
            if !first || matches!(fault, Fault::Silent(_)) {
                return Err(fault);
            }
            tracing::debug!(?fault, "asking again on another connection");
            first = false;
        }
    }

    async fn query_opt(&self, sql: &str, params: Params<'_>) -> Result<Option<Row>, Fault> {
        Ok(self.query(sql, params).await?.pop())
    }

    fn damaged<'e>(&'e self, record: RecordKey<'e>) -> impl Fn(RecordError) -> Fault + 'e {
        move |error| Fault::from(error.into_store_error(record, self.location))
    }

    pub(crate) async fn observers(&self) -> Result<Vec<NodeId>, Fault> {
        let rows = self.query(&self.sql.observers, &[]).await?;
        rows.iter().map(|row| self.node_id(row)).collect()
    }

    pub(crate) async fn observer(&self, observer: &NodeId) -> Result<Option<ObserverRecord>, Fault> {
        let row = self.query_opt(&self.sql.observer, &[&&observer.0[..]]).await?;
        let Some(row) = row else { return Ok(None) };
        let decoded = decode_observer(observer, row.try_get(0)?);
        decoded.map(Some).map_err(self.damaged(RecordKey::Observer(observer)))
    }

    pub(crate) async fn peers(
        &self,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, Fault> {
        let (observer, limit) = (&observer.0[..], rows_at_most(limit));
        let rows = match after {
            None => self.query(&self.sql.peers, &[&observer, &limit]).await?,
            Some(after) => self.query(&self.sql.peers_after, &[&observer, &&after.0[..], &limit]).await?,
        };
        let decode = |row: &Row| {
            let node_id = self.node_id(row)?;
            decode_peer(&node_id, row.try_get(1)?).map_err(self.damaged(RecordKey::Peer(&node_id)))
        };
        rows.iter().map(decode).collect()
    }

    pub(crate) async fn peer(
        &self,
        observer: &NodeId,
        node_id: &NodeId,
    ) -> Result<Option<PeerRecord>, Fault> {
        let row = self.query_opt(&self.sql.peer, &[&&observer.0[..], &&node_id.0[..]]).await?;
        let Some(row) = row else { return Ok(None) };
        let decoded = decode_peer(node_id, row.try_get(0)?);
        decoded.map(Some).map_err(self.damaged(RecordKey::Peer(node_id)))
    }

    pub(crate) async fn segments(
        &self,
        observer: &NodeId,
        node_id: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<LogSegment>, Fault> {
        let (observer, peer) = (&observer.0[..], &node_id.0[..]);
        let params: Params<'_> = &[&observer, &peer, &i64::from(from), &rows_at_most(limit)];
        let rows = self.query(&self.sql.segments, params).await?;
        let decode = |row: &Row| {
            let index = self.number(row, "the number of a log segment")?;
            let decoded = decode_segment(node_id, index, row.try_get(1)?);
            decoded.map_err(self.damaged(RecordKey::Segment(node_id, index)))
        };
        rows.iter().map(decode).collect()
    }

    pub(crate) async fn gaps(
        &self,
        observer: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<GapRecord>, Fault> {
        let params: Params<'_> = &[&&observer.0[..], &i64::from(from), &rows_at_most(limit)];
        let rows = self.query(&self.sql.gaps, params).await?;
        let decode = |row: &Row| {
            let number = self.number(row, "the number of a gap")?;
            decode_gap(number, row.try_get(1)?).map_err(self.damaged(RecordKey::Gap(number)))
        };
        rows.iter().map(decode).collect()
    }

    /// How many commits there were for an observer.
    pub(crate) async fn commits(&self, observer: &NodeId) -> Result<i64, Fault> {
        let row = self.query_opt(&self.sql.commits, &[&&observer.0[..]]).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(0))
    }

    /// The id in a row's first column.
    fn node_id(&self, row: &Row) -> Result<NodeId, Fault> {
        let bytes: &[u8] = row.try_get(0)?;
        let id = <[u8; 33]>::try_from(bytes);
        id.map(NodeId).map_err(|_| self.foreign("a node id", "it is not of 33 bytes"))
    }

    /// The number in a row's first column.
    fn number(&self, row: &Row, what: &'static str) -> Result<u32, Fault> {
        let number: i64 = row.try_get(0)?;
        u32::try_from(number).map_err(|_| self.foreign(what, "there is no such number"))
    }

    fn foreign(&self, what: &'static str, why: &'static str) -> Fault {
        Fault::from(StoreError::Corrupt {
            item: what.to_owned(),
            location: self.location.to_owned(),
            source: why.into(),
        })
    }
}

async fn ask(client: &ClientWrapper, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Fault> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query(&statement, params).await?)
}

fn rows_at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
