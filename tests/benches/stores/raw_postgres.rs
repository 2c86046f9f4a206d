//! PostgreSQL alone, with the same rows in the same tables: INSERT writes one row, COPY writes many.

use std::io::Cursor;
use std::pin::pin;

use fitness_core::NodeId;
use fitness_store_postgres::PostgresStore;
use futures_util::SinkExt;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, NoTls, Row, Statement};

use crate::backend::{RawDatabase, RawLocation};
use crate::operations::block_on;
use crate::postgres::Database;
use crate::sample::{OBSERVER, Rows};

/// The size of the chunks in which a COPY is sent.
const CHUNK: usize = 64 << 10;

/// A table, and the clause that updates an existing row. COPY only adds rows.
const TABLES: [(&str, &str); 3] = [
    (
        "peers",
        "(observer, node_id) DO UPDATE SET tracked_since_ns = excluded.tracked_since_ns, \
         presence_since_ns = excluded.presence_since_ns, online_ns = excluded.online_ns, observed_ns = excluded.observed_ns, \
         last_flap_ns = excluded.last_flap_ns, flap_count = excluded.flap_count, \
         disconnects = excluded.disconnects, open_channels = excluded.open_channels, \
         presence = excluded.presence, watched = excluded.watched, record = excluded.record",
    ),
    ("log_segments", "(observer, node_id, segment_index) DO UPDATE SET record = excluded.record"),
    (
        "observers",
        "(observer) DO UPDATE SET started_at_ns = excluded.started_at_ns, \
         last_heartbeat_ns = excluded.last_heartbeat_ns, clock_offset_ns = excluded.clock_offset_ns, \
         record = excluded.record",
    ),
];

/// Begins a transaction with temporary tables for rows that may exist already. They are created once per
/// connection.
const BEGIN: &str = "BEGIN; \
    CREATE TEMP TABLE IF NOT EXISTS new_peers (LIKE peers) ON COMMIT DELETE ROWS; \
    CREATE TEMP TABLE IF NOT EXISTS new_log_segments (LIKE log_segments) ON COMMIT DELETE ROWS; \
    CREATE TEMP TABLE IF NOT EXISTS new_observers (LIKE observers) ON COMMIT DELETE ROWS";

/// Statements for one row. The columns beside the record have as many bytes as ours; their values do not matter.
const ONE: [&str; 3] = [
    "INSERT INTO peers VALUES ($1, $2, 0, 0, 0, 0, 0, 0, 0, 0, 0::smallint, false, $3) ON CONFLICT ",
    "INSERT INTO log_segments VALUES ($1, $2, $3, $4) ON CONFLICT ",
    "INSERT INTO observers VALUES ($1, 0, 0, 0, $2) ON CONFLICT ",
];

pub(crate) struct RawTables(Database);

impl RawTables {
    pub(crate) fn create(database: Database) -> Self {
        drop(block_on(PostgresStore::open(&database.url)).expect("a successful open"));
        Self(database)
    }
}

impl RawLocation for RawTables {
    fn open(&self) -> Box<dyn RawDatabase> {
        let connected = async {
            let (client, connection) = tokio_postgres::connect(&self.0.url, NoTls).await?;
            tokio::spawn(connection);
            client.batch_execute("SET search_path = ldk_fitness").await?;
            let mut one = Vec::new();
            for (insert, (_, update)) in ONE.iter().zip(TABLES) {
                one.push(client.prepare(&format!("{insert}{update}")).await?);
            }
            Ok::<_, Error>(Connected { client, one })
        };
        Box::new(block_on(connected).expect("a connection"))
    }

    fn checkpoint(&self) {
        self.0.run_checkpoint();
    }
}

struct Connected {
    client: Client,
    one: Vec<Statement>,
}

impl Connected {
    /// COPY does not pay for a single row.
    async fn commit_one(&self, rows: &Rows) -> Result<(), Error> {
        let observer = &OBSERVER.0[..];
        self.client.batch_execute("BEGIN").await?;
        for (node_id, record) in &rows.peers {
            self.client.execute(&self.one[0], &[&observer, &&node_id.0[..], record]).await?;
        }
        for (node_id, index, record) in &rows.segments {
            let params: [&(dyn ToSql + Sync); 4] = [&observer, &&node_id.0[..], &i64::from(*index), record];
            self.client.execute(&self.one[1], &params).await?;
        }
        self.client.execute(&self.one[2], &[&observer, &rows.observer]).await?;
        self.client.batch_execute("COMMIT").await
    }

    async fn commit_many(&self, rows: &Rows) -> Result<(), Error> {
        let rows = encode_for_copy(rows);
        self.client.batch_execute(BEGIN).await?;
        for ((table, update), rows) in TABLES.iter().zip(&rows) {
            copy(&self.client, &format!("new_{table}"), rows).await?;
            let update = format!("INSERT INTO {table} SELECT * FROM new_{table} ON CONFLICT {update}");
            self.client.batch_execute(&update).await?;
        }
        self.client.batch_execute("COMMIT").await
    }
}

/// Encodes the rows of each table for COPY.
fn encode_for_copy(rows: &Rows) -> [Vec<u8>; 3] {
    let (mut peers, mut segments, mut observers) = <(CopyRows, CopyRows, CopyRows)>::default();
    for (node_id, record) in &rows.peers {
        // The columns beside the record have as many bytes as ours; their values do not matter.
        let [big, int, small, yes] = [&[0; 8][..], &[0; 4], &[0; 2], &[1]];
        let id = &node_id.0;
        peers.row(&[&OBSERVER.0, id, big, big, big, big, big, big, big, int, small, yes, record]);
    }
    for (node_id, index, record) in &rows.segments {
        segments.row(&[&OBSERVER.0, &node_id.0, &i64::from(*index).to_be_bytes(), record]);
    }
    observers.row(&[&OBSERVER.0, &[0; 8], &[0; 8], &[0; 8], &rows.observer]);
    [peers, segments, observers].map(CopyRows::end)
}

async fn copy(client: &Client, table: &str, rows: &[u8]) -> Result<(), Error> {
    let sink = client.copy_in(&format!("COPY {table} FROM STDIN BINARY")).await?;
    let mut sink = pin!(sink);
    for chunk in rows.chunks(CHUNK) {
        sink.send(Cursor::new(chunk.to_vec())).await?;
    }
    sink.finish().await.map(drop)
}

impl RawDatabase for Connected {
    fn initial_commit(&self, rows: &Rows) {
        let rows = encode_for_copy(rows);
        block_on(async {
            self.client.batch_execute("BEGIN").await?;
            for ((table, _), rows) in TABLES.iter().zip(&rows) {
                copy(&self.client, table, rows).await?;
            }
            self.client.batch_execute("COMMIT").await
        })
        .expect("a successful commit");
    }

    fn commit(&self, rows: &Rows) {
        let result = match rows.peers.len() {
            1 => block_on(self.commit_one(rows)),
            _ => block_on(self.commit_many(rows)),
        };
        result.expect("a successful commit");
    }

    fn load(&self) -> usize {
        let observer = &OBSERVER.0[..];
        let read = async {
            self.client.query_one("SELECT record FROM observers WHERE observer = $1", &[&observer]).await?;
            self.client.query("SELECT node_id, record FROM peers WHERE observer = $1", &[&observer]).await
        };
        block_on(read).expect("a successful read").len()
    }

    fn read_peer(&self, peer: &NodeId) -> Rows {
        const PEER: &str = "SELECT record FROM peers WHERE observer = $1 AND node_id = $2";
        const LOG: &str = "SELECT segment_index, record FROM log_segments WHERE observer = $1 AND node_id = $2 ORDER BY segment_index";
        let (observer_id, id) = (&OBSERVER.0[..], &peer.0[..]);
        let read = async {
            let observer = "SELECT record FROM observers WHERE observer = $1";
            let observer = self.client.query_one(observer, &[&observer_id]).await?.try_get(0)?;
            let record = self.client.query_one(PEER, &[&observer_id, &id]).await?.try_get(0)?;
            let log = self.client.query(LOG, &[&observer_id, &id]).await?;
            let segment = |row: &Row| {
                let number: i64 = row.try_get(0)?;
                Ok((*peer, u32::try_from(number).expect("an index that was stored"), row.try_get(1)?))
            };
            let segments = log.iter().map(segment).collect::<Result<_, Error>>()?;
            Ok::<_, Error>(Rows { observer, peers: vec![(*peer, record)], segments })
        };
        block_on(read).expect("a successful read")
    }
}

/// Rows in the binary format of COPY.
struct CopyRows(Vec<u8>);

impl Default for CopyRows {
    fn default() -> Self {
        Self(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec())
    }
}

impl CopyRows {
    fn row(&mut self, fields: &[&[u8]]) {
        self.0.extend_from_slice(&i16::try_from(fields.len()).expect("few fields").to_be_bytes());
        for field in fields {
            self.0.extend_from_slice(&i32::try_from(field.len()).expect("short fields").to_be_bytes());
            self.0.extend_from_slice(field);
        }
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&(-1_i16).to_be_bytes());
        self.0
    }
}
