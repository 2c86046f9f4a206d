//! Reads histories. Each read is one statement, so it never returns a part of a batch.

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object, Pool};
use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};
use fitness_store::StoreError;
use fitness_store::codec::{
    RecordError, RecordKey, decode_gap, decode_observer, decode_peer, decode_segment,
};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::failure::Failure;
use crate::shared::with_timeout;
use crate::sql::Sql;

type Params<'p> = &'p [&'p (dyn ToSql + Sync)];

/// Runs queries on the connections for reading.
pub(crate) struct Reader<'r> {
    pub(crate) pool: &'r Pool,
    pub(crate) sql: &'r Sql,
    pub(crate) location: &'r str,
    /// How long to wait for a reply.
    pub(crate) timeout: Duration,
}

impl Reader<'_> {
    /// Runs a query. If the connection turns out to be lost, retries once on a new one.
    async fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        let mut is_first = true;
        loop {
            let client = self.pool.get().await?;
            let failure = match with_timeout(self.timeout, run_query(&client, sql, params)).await {
                Ok(rows) => return Ok(rows),
                Err(failure) => failure,
            };
            if !failure.breaks_connection() {
                return Err(failure);
            }
            drop(Object::take(client));
            // The idle connections were probably lost for the same reason.
            self.pool.retain(|_, _| false);
            if !is_first || matches!(failure, Failure::NoReply(_)) {
                return Err(failure);
            }
            tracing::debug!(error = %failure, "query failed, retrying on another connection");
            is_first = false;
        }
    }

    async fn query_opt(&self, sql: &str, params: Params<'_>) -> Result<Option<Row>, Failure> {
        Ok(self.query(sql, params).await?.pop())
    }

    fn record_error<'e>(&'e self, record: RecordKey<'e>) -> impl Fn(RecordError) -> Failure + 'e {
        move |error| Failure::from(error.into_store_error(record, self.location))
    }

    pub(crate) async fn observers(&self) -> Result<Vec<NodeId>, Failure> {
        let rows = self.query(&self.sql.observers, &[]).await?;
        rows.iter().map(|row| self.node_id(row)).collect()
    }

    pub(crate) async fn observer(&self, observer: &NodeId) -> Result<Option<ObserverRecord>, Failure> {
        let row = self.query_opt(&self.sql.observer, &[&&observer.0[..]]).await?;
        let Some(row) = row else { return Ok(None) };
        let decoded = decode_observer(observer, row.try_get(0)?);
        decoded.map(Some).map_err(self.record_error(RecordKey::Observer(observer)))
    }

    pub(crate) async fn peers(
        &self,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, Failure> {
        let (observer, limit) = (&observer.0[..], sql_limit(limit));
        let rows = match after {
            None => self.query(&self.sql.peers, &[&observer, &limit]).await?,
            Some(after) => self.query(&self.sql.peers_after, &[&observer, &&after.0[..], &limit]).await?,
        };
        let decode = |row: &Row| {
            let node_id = self.node_id(row)?;
            decode_peer(&node_id, row.try_get(1)?).map_err(self.record_error(RecordKey::Peer(&node_id)))
        };
        rows.iter().map(decode).collect()
    }

    pub(crate) async fn peer(
        &self,
        observer: &NodeId,
        node_id: &NodeId,
    ) -> Result<Option<PeerRecord>, Failure> {
        let row = self.query_opt(&self.sql.peer, &[&&observer.0[..], &&node_id.0[..]]).await?;
        let Some(row) = row else { return Ok(None) };
        let decoded = decode_peer(node_id, row.try_get(0)?);
        decoded.map(Some).map_err(self.record_error(RecordKey::Peer(node_id)))
    }

    pub(crate) async fn segments(
        &self,
        observer: &NodeId,
        node_id: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<LogSegment>, Failure> {
        let (observer, peer) = (&observer.0[..], &node_id.0[..]);
        let params: Params<'_> = &[&observer, &peer, &i64::from(from), &sql_limit(limit)];
        let rows = self.query(&self.sql.segments, params).await?;
        let decode = |row: &Row| {
            let index = self.number(row, "the index of a log segment")?;
            let decoded = decode_segment(node_id, index, row.try_get(1)?);
            decoded.map_err(self.record_error(RecordKey::Segment(node_id, index)))
        };
        rows.iter().map(decode).collect()
    }

    pub(crate) async fn gaps(
        &self,
        observer: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<GapRecord>, Failure> {
        let params: Params<'_> = &[&&observer.0[..], &i64::from(from), &sql_limit(limit)];
        let rows = self.query(&self.sql.gaps, params).await?;
        let decode = |row: &Row| {
            let number = self.number(row, "the number of a gap")?;
            decode_gap(number, row.try_get(1)?).map_err(self.record_error(RecordKey::Gap(number)))
        };
        rows.iter().map(decode).collect()
    }

    /// Returns the number of commits for an observer.
    pub(crate) async fn commit_count(&self, observer: &NodeId) -> Result<i64, Failure> {
        let row = self.query_opt(&self.sql.commit_count, &[&&observer.0[..]]).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(0))
    }

    /// Returns the node id in a row's first column.
    fn node_id(&self, row: &Row) -> Result<NodeId, Failure> {
        let bytes: &[u8] = row.try_get(0)?;
        let id = <[u8; 33]>::try_from(bytes);
        id.map(NodeId).map_err(|_| self.corrupt("a node id", "expected 33 bytes"))
    }

    /// Returns the number in a row's first column.
    fn number(&self, row: &Row, item: &'static str) -> Result<u32, Failure> {
        let number: i64 = row.try_get(0)?;
        u32::try_from(number).map_err(|_| self.corrupt(item, "out of range"))
    }

    fn corrupt(&self, item: &'static str, problem: &'static str) -> Failure {
        Failure::from(StoreError::Corrupt {
            item: item.to_owned(),
            location: self.location.to_owned(),
            source: problem.into(),
        })
    }
}

async fn run_query(client: &ClientWrapper, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query(&statement, params).await?)
}

/// Returns a limit as the parameter of LIMIT.
fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
