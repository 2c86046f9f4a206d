//! A batch on its way into an open transaction.

use std::sync::Arc;

use deadpool_postgres::ClientWrapper;
use fitness_core::NodeId;
use fitness_store::{Batch, StoreError};
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use tokio::sync::mpsc;
use tokio_postgres::{Error, Statement};

use crate::error::Fault;
use crate::rows::{self, Gaps, ObserverRow, Rows};
use crate::sql::Sql;

/// How many statements are on their way at once: the server is to have the next one at hand.
const IN_FLIGHT: usize = 2;

/// Stores all rows of a batch. The transaction is the caller's.
pub(crate) async fn batch(
    client: &ClientWrapper,
    sql: &Sql,
    observer: &NodeId,
    batch: &Arc<Batch>,
) -> Result<(), Fault> {
    // Encoding is done elsewhere: a hundred thousand records would hold up whoever shares this thread.
    let (rows, mut ready) = mpsc::channel(IN_FLIGHT);
    let (batch, observer) = (Arc::clone(batch), *observer);
    let encoding = tokio::task::spawn_blocking(move || {
        rows::encode(&observer, &batch, &mut |part| rows.blocking_send(part).is_ok())
    });
    // Each is sent when it is first polled, which is in this order.
    let mut in_flight = FuturesOrdered::new();
    let mut is_over = false;
    while !is_over || !in_flight.is_empty() {
        tokio::select! {
            part = ready.recv(), if !is_over && in_flight.len() < IN_FLIGHT => match part {
                Some(part) => {
                    let statement = client.prepare_cached(part.statement(sql)).await?;
                    in_flight.push_back(part.execute(client, statement, &observer));
                }
                None => is_over = true,
            },
            Some(done) = in_flight.next(), if !in_flight.is_empty() => done?,
        }
    }
    encoding.await.map_err(|ended| {
        Fault::from(StoreError::Backend {
            operation: "encode a batch",
            location: observer.to_string(),
            source: ended.into(),
        })
    })??;
    Ok(())
}

/// Ids as the server takes them.
fn slices(node_ids: &[NodeId]) -> Vec<&[u8]> {
    node_ids.iter().map(|node_id| &node_id.0[..]).collect()
}

impl Rows {
    fn statement<'s>(&self, sql: &'s Sql) -> &'s str {
        match self {
            Self::ForgottenSegments(_) => &sql.forget_segments,
            Self::ForgottenPeers(_) => &sql.forget_peers,
            Self::Peers(_) => &sql.write_peers,
            Self::ClearedLogs { .. } => &sql.clear_logs,
            Self::Thinned(_) => &sql.write_thinned,
            Self::Segments(_) => &sql.write_segments,
            Self::Gaps(_) => &sql.write_gaps,
            Self::ForgottenGaps(_) => &sql.forget_gaps,
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
                            &peers.since_ns,
                            &peers.online_ns,
                            &peers.observed_ns,
                            &peers.last_flap_ns,
                            &peers.flap_counts,
                            &peers.disconnects,
                            &peers.channels,
                            &peers.presences,
                            &peers.watched,
                            &peers.records.slices(),
                        ],
                    )
                    .await
            }
            Self::ClearedLogs { node_ids, below } => {
                client.execute(&statement, &[&observer, &slices(&node_ids), &below]).await
            }
            Self::Thinned(segments) | Self::Segments(segments) => {
                let (node_ids, records) = (slices(&segments.node_ids), segments.records.slices());
                client.execute(&statement, &[&observer, &node_ids, &segments.numbers, &records]).await
            }
            Self::Gaps(gaps) => {
                let records = gaps.records.slices();
                let Gaps { numbers, from_ns, to_ns, causes, .. } = &gaps;
                client.execute(&statement, &[&observer, numbers, from_ns, to_ns, causes, &records]).await
            }
            Self::ForgottenGaps(before) => client.execute(&statement, &[&observer, &before]).await,
            Self::Observer(row) => {
                let ObserverRow { started_at_ns, heartbeat_ns, clock_ahead_ns, record } = &row;
                client
                    .execute(&statement, &[&observer, started_at_ns, heartbeat_ns, clock_ahead_ns, record])
                    .await
            }
        }
        .map(drop)
    }
}
