//! Writes a batch within an open transaction.

use std::sync::Arc;

use deadpool_postgres::ClientWrapper;
use fitness_core::NodeId;
use fitness_store::{Batch, StoreError};
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use tokio::sync::mpsc;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Statement};

use crate::failure::Failure;
use crate::rows::{self, Gaps, ObserverRow, Rows};
use crate::sql::Sql;

/// How many statements are sent before the first of them has completed, so that the server need not wait for
/// the next one.
const MAX_IN_FLIGHT: usize = 2;

/// Writes all rows of a batch. The caller begins and ends the transaction.
pub(crate) async fn write_batch(
    client: &ClientWrapper,
    sql: &Sql,
    observer: &NodeId,
    batch: &Arc<Batch>,
) -> Result<(), Failure> {
    // Encoding a hundred thousand records would block the other tasks of this thread.
    let (sender, mut encoded) = mpsc::channel(MAX_IN_FLIGHT);
    let (batch, observer) = (Arc::clone(batch), *observer);
    let encoding = tokio::task::spawn_blocking(move || {
        rows::encode(&observer, &batch, &mut |rows| sender.blocking_send(rows).is_ok())
    });
    // A statement is sent when its future is first polled. FuturesOrdered polls them in this order.
    let mut in_flight = FuturesOrdered::new();
    let mut is_encoded = false;
    while !is_encoded || !in_flight.is_empty() {
        tokio::select! {
            rows = encoded.recv(), if !is_encoded && in_flight.len() < MAX_IN_FLIGHT => match rows {
                Some(rows) => {
                    let statement = client.prepare_cached(rows.statement(sql)).await?;
                    in_flight.push_back(rows.execute(client, statement, &observer));
                }
                None => is_encoded = true,
            },
            Some(result) = in_flight.next(), if !in_flight.is_empty() => result?,
        }
    }
    encoding.await.map_err(|error| {
        Failure::from(StoreError::Backend {
            operation: "encode a batch",
            location: observer.to_string(),
            source: error.into(),
        })
    })??;
    Ok(())
}

/// Returns the ids in the form of an SQL parameter.
fn slices(node_ids: &[NodeId]) -> Vec<&[u8]> {
    node_ids.iter().map(|node_id| &node_id.0[..]).collect()
}

impl Rows {
    fn statement<'s>(&self, sql: &'s Sql) -> &'s str {
        match self {
            Self::ForgottenSegments(_) => &sql.forget_segments,
            Self::ForgottenPeers(_) => &sql.forget_peers,
            Self::Peers(_) => &sql.write_peers,
            Self::ReplacedSegments { .. } => &sql.delete_replaced_segments,
            Self::ReplacementSegments(_) => &sql.write_replacement_segments,
            Self::Segments(_) => &sql.write_segments,
            Self::Gaps(_) => &sql.write_gaps,
            Self::PrunedGaps { .. } => &sql.prune_gaps,
            Self::Observer(_) => &sql.write_observer,
        }
    }

    async fn execute(
        self,
        client: &ClientWrapper,
        statement: Statement,
        observer: &NodeId,
    ) -> Result<(), Error> {
        let observer = &observer.0[..];
        match self {
            Self::ForgottenSegments(node_ids) | Self::ForgottenPeers(node_ids) => {
                client.execute(&statement, &[&observer, &slices(&node_ids)]).await
            }
            Self::Peers(peers) => {
                client
                    .execute(
                        &statement,
                        &[
                            &observer,
                            &slices(&peers.node_ids),
                            &peers.tracked_since_ns,
                            &peers.presence_since_ns,
                            &peers.online_ns,
                            &peers.observed_ns,
                            &peers.last_flap_ns,
                            &peers.flap_counts,
                            &peers.disconnects,
                            &peers.open_channels,
                            &peers.presences,
                            &peers.watched,
                            &peers.records.slices(),
                        ],
                    )
                    .await
            }
            Self::ReplacedSegments { node_ids, below_indices } => {
                client.execute(&statement, &[&observer, &slices(&node_ids), &below_indices]).await
            }
            Self::ReplacementSegments(segments) | Self::Segments(segments) => {
                let (node_ids, records) = (slices(&segments.node_ids), segments.records.slices());
                client.execute(&statement, &[&observer, &node_ids, &segments.indices, &records]).await
            }
            Self::Gaps(gaps) => {
                let records = gaps.records.slices();
                let Gaps { numbers, from_ns, to_ns, causes, .. } = &gaps;
                client.execute(&statement, &[&observer, numbers, from_ns, to_ns, causes, &records]).await
            }
            Self::PrunedGaps { before } => client.execute(&statement, &[&observer, &before]).await,
            Self::Observer(row) => {
                let ObserverRow { started_at_ns, last_heartbeat_ns, clock_offset_ns, record } = &row;
                let params: [&(dyn ToSql + Sync); 5] =
                    [&observer, started_at_ns, last_heartbeat_ns, clock_offset_ns, record];
                client.execute(&statement, &params).await
            }
        }
        .map(drop)
    }
}
